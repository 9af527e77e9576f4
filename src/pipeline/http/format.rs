//! The forms in which sources take an HTTP response, written once.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{self, GetAll},
};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};

use crate::pipeline::event::recognise::Top;
use crate::pipeline::{Event, HttpOutput, Kind};

/// The forms in which a source takes an HTTP response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `multiValueHeaders`: API Gateway's payload 1.0.
    MultiValue,
    /// `headers` alone: WebSocket.
    Single,
    /// `headers` with the cookies beside them: payload 2.0.
    Cookies,
    /// `multiValueHeaders` with a description of the status: ALB that asked in this way.
    DescribedMultiValue,
    /// `headers` with a description of the status: ALB, VPC Lattice.
    Described,
}

impl Form {
    pub(crate) fn of(event: &Event) -> Self {
        match event.kind() {
            Kind::HttpV2 | Kind::FunctionUrl => Self::Cookies,
            Kind::WebSocket => Self::Single,
            Kind::VpcLatticeV1 | Kind::VpcLatticeV2 => Self::Described,
            Kind::Alb if event.recognised().top(event.text(), Top::MultiValueHeaders).is_some() => {
                Self::DescribedMultiValue
            }
            Kind::Alb => Self::Described,
            _ => Self::MultiValue,
        }
    }
}

impl Serialize for HttpOutput {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("statusCode", &self.status.as_u16())?;
        if matches!(self.form, Form::Described | Form::DescribedMultiValue) {
            map.serialize_entry("statusDescription", &Description(self.status))?;
        }
        let headers = Headers { headers: &self.headers, form: self.form };
        if matches!(self.form, Form::MultiValue | Form::DescribedMultiValue) {
            map.serialize_entry("multiValueHeaders", &headers)?;
        } else {
            map.serialize_entry("headers", &headers)?;
        }
        if self.form == Form::Cookies && self.headers.contains_key(header::SET_COOKIE) {
            map.serialize_entry("cookies", &Values(self.headers.get_all(header::SET_COOKIE)))?;
        }
        if let Some(text) = self.text() {
            map.serialize_entry("body", text)?;
            map.serialize_entry("isBase64Encoded", &false)?;
        } else {
            map.serialize_entry("body", &STANDARD.encode(&self.body))?;
            map.serialize_entry("isBase64Encoded", &true)?;
        }
        map.end()
    }
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
    form: Form,
}

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for name in self.headers.keys().filter(|name| is_sent(name, self.form)) {
            let values = self.headers.get_all(name);
            if matches!(self.form, Form::MultiValue | Form::DescribedMultiValue) {
                map.serialize_entry(name.as_str(), &Values(values))?;
            } else if *name == header::SET_COOKIE {
                // Cookies cannot be joined, but names that differ in case are two to the source.
                for (place, value) in values.iter().enumerate() {
                    map.serialize_entry(&cased(name.as_str(), place), &text(value))?;
                }
            } else {
                map.serialize_entry(name.as_str(), &Joined(values))?;
            }
        }
        map.end()
    }
}

/// Whether a header goes to the source: what describes the connection does not.
fn is_sent(name: &HeaderName, form: Form) -> bool {
    let beside = form == Form::Cookies && *name == header::SET_COOKIE;
    let of_connection = [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    !beside && !of_connection.contains(name)
}

/// The `place`-th spelling of a name: its letters in upper case as the bits of `place` say.
fn cased(name: &str, place: usize) -> String {
    let spell = |(index, letter): (usize, char)| {
        let upper = place.checked_shr(u32::try_from(index).unwrap_or(u32::MAX)).unwrap_or(0) & 1;
        if upper == 1 { letter.to_ascii_uppercase() } else { letter }
    };
    // Letters only count: the hyphen has but one case.
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
