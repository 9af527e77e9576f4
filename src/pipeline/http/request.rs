//! Makes the HTTP request of an event without losing any of it.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};

use crate::json::JsonError;
use crate::json::scan::members;
use crate::json::text::string;
use crate::pipeline::event::kind::Kind;
use crate::pipeline::event::recognise::{Context, Recognised, Top};
use crate::pipeline::http::header::{Take, fill};
use crate::pipeline::http::path::{PathError, canonical, without_stage};
use crate::pipeline::http::query::{Encoding, push_parameters, push_raw};

/// An event makes no valid HTTP request. It is answered with 400.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// A member is missing, or has a type that its source never writes.
    #[error("expected {0}")]
    Expected(&'static str),
    /// The path is ambiguous.
    #[error("the path was refused")]
    Path(#[from] PathError),
    /// A header is malformed.
    #[error("the headers were refused")]
    Headers(#[source] JsonError),
    /// The query is malformed.
    #[error("the query was refused")]
    Query(#[source] JsonError),
    /// Path and query together are too long for a URI.
    #[error("the path and query are not a valid URI")]
    Uri(#[from] http::uri::InvalidUri),
    /// The event says that the body is base64, and it is not.
    #[error("the body is not valid base64")]
    Base64,
}

/// More headers than a request usually has after a CDN and a gateway. With even more headers the map
/// grows.
const USUAL_HEADERS: usize = 48;

/// The request of the event `text`. Headers and body are slices of `shared`, which is the same text.
pub(crate) fn request(
    text: &str,
    recognised: &Recognised,
    shared: &Bytes,
) -> Result<Request<Bytes>, RequestError> {
    let source = Source { text, recognised };
    let (method, uri) = (source.method()?, source.uri()?);
    let headers = source.headers(shared)?;
    let mut request = Request::new(source.body(shared)?);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}

/// What is known of an event that makes no valid request: its method and headers, as far as they are valid,
/// with the path `/`. Layers that answer for every request, such as CORS, need them.
pub(crate) fn bare_request(text: &str, recognised: &Recognised, shared: &Bytes) -> Request<Bytes> {
    let source = Source { text, recognised };
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = source.method().unwrap_or_default();
    *request.headers_mut() = source.headers(shared).unwrap_or_default();
    request
}

/// The members of an event from which a request is made.
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
            // The event has no method.
            Kind::WebSocket => return Ok(Method::POST),
            Kind::HttpV2 | Kind::FunctionUrl => {
                let http = self.context(Context::Http).unwrap_or_default();
                let position = |member: &str| (member == "method").then_some(0);
                let [method] = members(http, position).map_err(|_| EXPECTED)?;
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
            // The path of VPC Lattice may still have the query.
            Kind::VpcLatticeV1 | Kind::VpcLatticeV2 => {
                let (path, query) = path.split_once('?').unwrap_or((&path, ""));
                canonical(path, &mut uri)?;
                if !query.is_empty() {
                    uri.push('?');
                    push_raw(&mut uri, query);
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
        let domain = self.context(Context::DomainName).and_then(string);
        let is_own_domain = domain.is_some_and(|domain| domain.contains(".execute-api."));
        without_stage(path, &stage, template, is_own_domain)
    }

    fn query(&self, uri: &mut String) -> Result<(), RequestError> {
        if let Some(raw) = self.top(Top::RawQuery) {
            let raw = string(raw).ok_or(RequestError::Expected("a query as a string"))?;
            push_raw(uri, &raw);
            return Ok(());
        }
        let encoding = match self.kind() {
            // These keep names and values as the client encoded them.
            Kind::Alb | Kind::VpcLatticeV1 | Kind::VpcLatticeV2 => Encoding::Encoded,
            _ => Encoding::Decoded,
        };
        let multi = self.top(Top::MultiValueQuery);
        if let Some(multi) = multi {
            push_parameters(uri, multi, encoding, None).map_err(query_refused)?;
        }
        if let Some(single) = self.top(Top::Query).or(self.top(Top::QuerySnake)) {
            push_parameters(uri, single, encoding, multi).map_err(query_refused)?;
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

    /// The cookies of a list, joined into one header as RFC 6265, section 5.4, has it.
    fn cookies(&self, json: &str) -> Result<Option<HeaderValue>, RequestError> {
        const EXPECTED: RequestError = RequestError::Expected("cookies as a list of strings");
        let cookies: Vec<Cow<'_, str>> = serde_json::from_str(json).map_err(|_| EXPECTED)?;
        if cookies.is_empty() {
            return Ok(None);
        }
        let cookie = HeaderValue::from_maybe_shared(Bytes::from(cookies.join("; ")));
        cookie.map(Some).map_err(|_| EXPECTED)
    }

    fn body(&self, shared: &Bytes) -> Result<Bytes, RequestError> {
        let Some(body) = self.top(Top::Body) else { return Ok(Bytes::new()) };
        let body = string(body).ok_or(RequestError::Expected("a body as a string"))?;
        match self.top(Top::IsBase64).or(self.top(Top::IsBase64Snake)) {
            Some("true" | "\"true\"") => {
                Ok(STANDARD.decode(&*body).map_err(|_| RequestError::Base64)?.into())
            }
            None | Some("false" | "\"false\"") => Ok(match body {
                Cow::Borrowed(body) => shared.slice_ref(body.as_bytes()),
                Cow::Owned(body) => body.into(),
            }),
            Some(_) => Err(RequestError::Expected("true or false as isBase64Encoded")),
        }
    }
}

fn query_refused(error: serde_json::Error) -> RequestError {
    RequestError::Query(error.into())
}

fn headers_refused(error: serde_json::Error) -> RequestError {
    RequestError::Headers(error.into())
}
