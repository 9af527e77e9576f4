//! The formats in which the sources take an HTTP response.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{self, GetAll},
};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};

use crate::pipeline::event::Event;
use crate::pipeline::event::members::Top;
use crate::pipeline::event::source::Source;
use crate::pipeline::event::source::http::{self as source, SIX_MEGABYTES};

/// The format in which a source takes the response to one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResponseFormat {
    members: Members,
    /// The largest response as JSON, in bytes.
    pub(crate) limit: usize,
    /// Whether the request is a HEAD. Its response has no content.
    is_head: bool,
    /// Whether the source takes content even where HTTP allows none.
    sends_content: bool,
}

/// The members of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Members {
    /// `multiValueHeaders`
    MultiValue,
    /// `headers`
    SingleValue,
    /// `headers`, and `cookies` in a list of their own.
    Cookies,
    /// `multiValueHeaders` and `statusDescription`
    DescribedMultiValue,
    /// `headers` and `statusDescription`
    DescribedSingleValue,
}

impl ResponseFormat {
    /// The format for an event from which no request could be made.
    pub(crate) fn of(event: &Event) -> Self {
        Self::of_request(event, event.method().as_ref())
    }

    pub(crate) fn of_request(event: &Event, method: Option<&Method>) -> Self {
        let source = Source::of(event.kind()).http;
        let response = source.map_or(source::Response::MultiValue, |source| source.response.value);
        // The form of the request shows how the target group of the load balancer is configured.
        let is_multi_value = || event.top(Top::MultiValueHeaders).is_some();
        let members = match response {
            source::Response::MultiValue => Members::MultiValue,
            source::Response::SingleValue => Members::SingleValue,
            source::Response::Cookies => Members::Cookies,
            source::Response::DescribedLikeRequest if is_multi_value() => {
                Members::DescribedMultiValue
            }
            source::Response::DescribedLikeRequest | source::Response::Described => {
                Members::DescribedSingleValue
            }
        };
        let limit = source.map_or(SIX_MEGABYTES, |source| source.limit.value);
        let sends_content = source.is_some_and(|source| source.sends_content.value);
        Self { members, limit, is_head: method == Some(&Method::HEAD), sends_content }
    }

    /// Whether a response with this status has content (RFC 9110, sections 9.3.2, 15.3.5 and 15.4.5). If it
    /// has none, what the handler wrote is not sent: a source could take it for the beginning of the next
    /// response.
    pub(crate) fn has_content(self, status: StatusCode) -> bool {
        let has_none =
            self.is_head || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
        !has_none || self.sends_content
    }

    fn is_described(self) -> bool {
        matches!(self.members, Members::DescribedSingleValue | Members::DescribedMultiValue)
    }

    fn is_multi_value(self) -> bool {
        matches!(self.members, Members::MultiValue | Members::DescribedMultiValue)
    }

    fn has_cookies(self) -> bool {
        self.members == Members::Cookies
    }
}

/// A response in the format of its source.
pub(crate) struct Formatted<'a> {
    pub(crate) response: &'a Response<Bytes>,
    pub(crate) format: ResponseFormat,
}

/// The metadata of a streamed response: everything except the body.
pub(crate) struct Head<'a, B> {
    pub(crate) response: &'a Response<B>,
    pub(crate) format: ResponseFormat,
}

impl<B> Head<'_, B> {
    fn entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let Self { response, format } = *self;
        map.serialize_entry("statusCode", &response.status().as_u16())?;
        if format.is_described() {
            map.serialize_entry("statusDescription", &Description(response.status()))?;
        }
        let headers = Headers { headers: response.headers(), format };
        if format.is_multi_value() {
            map.serialize_entry("multiValueHeaders", &headers)?;
        } else {
            map.serialize_entry("headers", &headers)?;
        }
        // Emulators of payload 2.0 require the member, even if it is empty.
        if format.has_cookies() {
            let cookies = response.headers().get_all(header::SET_COOKIE);
            map.serialize_entry("cookies", &Values(cookies))?;
        }
        Ok(())
    }
}

impl<B> Serialize for Head<'_, B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.entries(&mut map)?;
        map.end()
    }
}

impl Serialize for Formatted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { response, format } = *self;
        let mut map = serializer.serialize_map(None)?;
        Head { response, format }.entries(&mut map)?;
        if let Some(text) = text_body(response) {
            map.serialize_entry("body", text)?;
            map.serialize_entry("isBase64Encoded", &false)?;
        } else {
            map.serialize_entry("body", &STANDARD.encode(response.body()))?;
            map.serialize_entry("isBase64Encoded", &true)?;
        }
        map.end()
    }
}

/// The body as text. `None` if it is sent as base64.
fn text_body(response: &Response<Bytes>) -> Option<&str> {
    // A compressed body may be valid UTF-8 by accident.
    let encoding = response.headers().get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| encoding != "identity") {
        return None;
    }
    std::str::from_utf8(response.body()).ok()
}

struct Description(StatusCode);

impl Serialize for Description {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let reason = self.0.canonical_reason().unwrap_or("Unknown");
        serializer.collect_str(&format_args!("{} {reason}", self.0.as_u16()))
    }
}

struct Headers<'a> {
    headers: &'a HeaderMap,
    format: ResponseFormat,
}

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for name in self.headers.keys().filter(|name| is_sent(name, self.format)) {
            let values = self.headers.get_all(name);
            if self.format.is_multi_value() {
                map.serialize_entry(name.as_str(), &Values(values))?;
            } else if *name == header::SET_COOKIE {
                // Cookies cannot be joined with commas. For the source, names in different case are different
                // names. For the browser, they are the same name.
                for (position, value) in values.iter().enumerate() {
                    map.serialize_entry(&in_case(name.as_str(), position), &text(value))?;
                }
            } else {
                map.serialize_entry(name.as_str(), &Joined(values))?;
            }
        }
        map.end()
    }
}

/// Whether a header is sent among the headers. Headers that describe the connection are left out.
fn is_sent(name: &HeaderName, format: ResponseFormat) -> bool {
    let is_sent_apart = format.has_cookies() && *name == header::SET_COOKIE;
    let of_connection = [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    !is_sent_apart && !of_connection.contains(name)
}

/// Spells `name` in a way that differs for each number: a letter is upper case where its bit of `number` is
/// set.
fn in_case(name: &str, number: usize) -> String {
    let spell = |(index, letter): (usize, char)| {
        let upper = number.checked_shr(u32::try_from(index).unwrap_or(u32::MAX)).unwrap_or(0) & 1;
        if upper == 1 { letter.to_ascii_uppercase() } else { letter }
    };
    // Only letters are counted, because a hyphen has no case.
    let mut letters = 0_usize;
    let indexed = name.chars().map(|letter| {
        let index = letters;
        letters += usize::from(letter.is_ascii_alphabetic());
        (index, letter)
    });
    indexed.map(spell).collect()
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

struct Values<'a>(GetAll<'a, HeaderValue>);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(None)?;
        for value in &self.0 {
            seq.serialize_element(&text(value))?;
        }
        seq.end()
    }
}

struct Joined<'a>(GetAll<'a, HeaderValue>);

impl Serialize for Joined<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut values = self.0.iter();
        let Some(first) = values.next() else { return serializer.serialize_str("") };
        let Some(second) = values.next() else { return serializer.serialize_str(&text(first)) };
        let mut joined = format!("{}, {}", text(first), text(second));
        for value in values {
            joined.push_str(", ");
            joined.push_str(&text(value));
        }
        serializer.serialize_str(&joined)
    }
}
