//! From an event to an HTTP request, losing nothing.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri, header};

use crate::json::JsonError;
use crate::json::scan::members;
use crate::json::text::string;
use crate::pipeline::event::recognise::{Context, Recognised, Top};
use crate::pipeline::http::header::{Take, fill};
use crate::pipeline::http::path::{PathError, canonical, without_stage};
use crate::pipeline::http::query;
use crate::pipeline::http::query::Given;
use crate::pipeline::{Event, Kind};

/// Why an event makes no HTTP request. It is answered with 400.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// A member is missing, or of another type than the source writes.
    #[error("expected {0}")]
    Expected(&'static str),
    /// The path could mean two things.
    #[error("the path was refused")]
    Path(#[from] PathError),
    /// A header is none.
    #[error("the headers were refused")]
    Headers(#[source] JsonError),
    /// The query is none.
    #[error("the query was refused")]
    Query(#[source] JsonError),
    /// Path and query together are no URI: too long.
    #[error("the path and query are no URI")]
    Uri(#[from] http::uri::InvalidUri),
    /// The body is not the base64 that it claims to be.
    #[error("the body is not the base64 that it claims to be")]
    Base64,
}

/// The parts of the request that an event makes.
pub(crate) struct Parts {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// More than the headers of a request by way of a CDN and a gateway.
const USUAL_HEADERS: usize = 48;

impl Parts {
    /// The request that `event` makes.
    pub(crate) fn of(event: &Event) -> Result<Self, RequestError> {
        let source = Source { text: event.text(), recognised: event.recognised() };
        let shared = event.shared();
        Ok(Self {
            method: source.method()?,
            uri: source.uri()?,
            headers: source.headers(&shared)?,
            body: source.body(&shared)?,
        })
    }
}

/// An event of which a request is made.
struct Source<'a> {
    text: &'a str,
    recognised: &'a Recognised,
}

impl<'a> Source<'a> {
    fn kind(&self) -> Kind {
        self.recognised.kind
    }

    fn top(&self, member: Top) -> Option<&'a str> {
        self.recognised.top(self.text, member)
    }

    fn context(&self, member: Context) -> Option<&'a str> {
        self.recognised.context(self.text, member)
    }

    fn method(&self) -> Result<Method, RequestError> {
        const EXPECTED: RequestError = RequestError::Expected("a method");
        let method = match self.kind() {
            // A message on a connection has no method of its own.
            Kind::WebSocket => return Ok(Method::POST),
            Kind::HttpV2 | Kind::FunctionUrl => {
                let http = self.context(Context::Http).unwrap_or_default();
                let place = |member: &str| (member == "method").then_some(0);
                let [method] = members(http, place).map_err(|_| EXPECTED)?;
                method
            }
            Kind::VpcLatticeV1 | Kind::VpcLatticeV2 => self.top(Top::Method),
            _ => self.top(Top::HttpMethod),
        };
        let method = method.and_then(string).ok_or(EXPECTED)?;
        Method::from_bytes(method.as_bytes()).map_err(|_| EXPECTED)
    }

    fn uri(&self) -> Result<Uri, RequestError> {
        let path = self.recognised.path_member(self.text).and_then(string);
        let path = path.ok_or(RequestError::Expected("a path"))?;
        let mut uri = String::with_capacity(path.len().saturating_mul(2).saturating_add(64));
        match self.kind() {
            Kind::WebSocket => canonical(&format!("/{path}"), &mut uri)?,
            // VPC Lattice may leave the query where it was.
            Kind::VpcLatticeV1 | Kind::VpcLatticeV2 => {
                let (path, query) = path.split_once('?').unwrap_or((&path, ""));
                canonical(path, &mut uri)?;
                if !query.is_empty() {
                    uri.push('?');
                    query::push_raw(&mut uri, query);
                    return Ok(Uri::from_maybe_shared(Bytes::from(uri))?);
                }
            }
            Kind::HttpV2 | Kind::HttpV1Payload => {
                canonical(self.without_stage(&path), &mut uri)?;
            }
            _ => canonical(&path, &mut uri)?,
        }
        let path_ends = uri.len();
        uri.push('?');
        self.query(&mut uri)?;
        if uri.len() == path_ends.saturating_add(1) {
            uri.truncate(path_ends);
        }
        Ok(Uri::from_maybe_shared(Bytes::from(uri))?)
    }

    fn without_stage<'p>(&self, path: &'p str) -> &'p str {
        let stage = self.context(Context::Stage).and_then(string).unwrap_or_default();
        let template = match self.kind() {
            Kind::HttpV1Payload => self.top(Top::Resource).and_then(string),
            // `GET /orders/{id}`, or `$default`.
            _ => self.top(Top::RouteKey).and_then(string),
        };
        let template = template.as_deref().map(|template| {
            template.split_once(' ').map_or(template, |(_method, template)| template)
        });
        without_stage(path, &stage, template)
    }

    fn query(&self, uri: &mut String) -> Result<(), RequestError> {
        if let Some(raw) = self.top(Top::RawQuery) {
            let raw = string(raw).ok_or(RequestError::Expected("a query as text"))?;
            query::push_raw(uri, &raw);
            return Ok(());
        }
        let given = match self.kind() {
            // These hand over names and values as the client encoded them.
            Kind::Alb | Kind::VpcLatticeV1 | Kind::VpcLatticeV2 => Given::Encoded,
            _ => Given::Decoded,
        };
        let multi = self.top(Top::MultiValueQuery);
        if let Some(multi) = multi {
            query::push(uri, multi, given, None).map_err(query_refused)?;
        }
        if let Some(single) = self.top(Top::Query).or(self.top(Top::QuerySnake)) {
            query::push(uri, single, given, multi).map_err(query_refused)?;
        }
        Ok(())
    }

    fn headers(&self, shared: &Bytes) -> Result<HeaderMap, RequestError> {
        let mut headers = HeaderMap::with_capacity(USUAL_HEADERS);
        let multi = self.top(Top::MultiValueHeaders);
        if let Some(multi) = multi {
            fill(&mut headers, multi, shared, Take::All).map_err(headers_refused)?;
        }
        if let Some(single) = self.top(Top::Headers) {
            let take = if multi.is_some() { Take::Missing } else { Take::All };
            fill(&mut headers, single, shared, take).map_err(headers_refused)?;
        }
        if let Some(cookies) = self.top(Top::Cookies)
            && let Some(cookie) = self.cookies(cookies)?
        {
            headers.append(header::COOKIE, cookie);
        }
        Ok(headers)
    }

    /// The cookies that came as a list, in the one header that RFC 6265 knows.
    fn cookies(&self, json: &str) -> Result<Option<HeaderValue>, RequestError> {
        const EXPECTED: RequestError = RequestError::Expected("cookies as a list of texts");
        let cookies: Vec<Cow<'_, str>> = serde_json::from_str(json).map_err(|_| EXPECTED)?;
        if cookies.is_empty() {
            return Ok(None);
        }
        let cookie = HeaderValue::from_maybe_shared(Bytes::from(cookies.join("; ")));
        cookie.map(Some).map_err(|_| EXPECTED)
    }

    fn body(&self, shared: &Bytes) -> Result<Bytes, RequestError> {
        let Some(body) = self.top(Top::Body) else { return Ok(Bytes::new()) };
        let body = string(body).ok_or(RequestError::Expected("a body as text"))?;
        match self.top(Top::IsBase64).or(self.top(Top::IsBase64Snake)) {
            Some("true" | "\"true\"") => {
                Ok(STANDARD.decode(&*body).map_err(|_| RequestError::Base64)?.into())
            }
            None | Some("false" | "\"false\"") => Ok(match body {
                Cow::Borrowed(body) => shared.slice_ref(body.as_bytes()),
                Cow::Owned(body) => body.into(),
            }),
            Some(_) => Err(RequestError::Expected("true or false, whether the body is base64")),
        }
    }
}

fn query_refused(error: serde_json::Error) -> RequestError {
    RequestError::Query(error.into())
}

fn headers_refused(error: serde_json::Error) -> RequestError {
    RequestError::Headers(error.into())
}
