//! Makes an HTTP request from an event, without losing any part of it.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};

use crate::json::JsonError;
use crate::json::scan::{Scan, ScanError, members};
use crate::json::text::{from_first, string};
use crate::pipeline::event::members::{Context, Top};
use crate::pipeline::event::recognise::Recognised;
use crate::pipeline::event::source::http::{
    Cookies, HttpSource, MethodMember, Path, Prefix, Query,
};
use crate::pipeline::http::header::{HeaderError, Take, fill};
use crate::pipeline::http::path::{
    PathError, PathForm, canonical, without_base_path, without_prefix,
};
use crate::pipeline::http::query::{Encoding, push_parameters, push_raw};

/// Why no valid HTTP request can be made from an event. The answer is a 400.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// A member is missing, or has a type that the source never writes.
    #[error("expected {0}")]
    Expected(&'static str),
    /// The path could be taken for another path.
    #[error("the path was refused")]
    Path(#[from] PathError),
    /// A header is malformed.
    #[error("the headers were refused")]
    Headers(#[from] HeaderError),
    /// The query is malformed.
    #[error("the query was refused")]
    Query(#[source] JsonError),
    /// Path and query together are too long for a URI.
    #[error("the path and query are not a valid URI")]
    Uri(#[from] http::uri::InvalidUri),
    /// The event says that the body is base64, but it is not.
    #[error("the body is not valid base64")]
    Base64,
}

/// The initial capacity for headers: more than a request usually has after a CDN and a gateway.
const USUAL_HEADERS: usize = 48;

/// The request of the event `text`. Headers and body are slices of `shared`, which is the same text.
pub(crate) fn request(
    text: &str,
    recognised: &Recognised,
    source: &HttpSource,
    base_path: &str,
    shared: &Bytes,
) -> Result<Request<Bytes>, RequestError> {
    let event = HttpEvent { text, recognised, source, base_path };
    let (method, uri) = (event.method()?, event.uri()?);
    let headers = event.headers(shared)?;
    let mut request = Request::new(event.body(shared)?);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}

/// A request for an event from which no valid request can be made: its method and headers, as far as they are
/// valid, and the path `/`. Layers that apply to every response, such as CORS, need these.
pub(crate) fn bare_request(
    text: &str,
    recognised: &Recognised,
    source: &HttpSource,
    shared: &Bytes,
) -> Request<Bytes> {
    let event = HttpEvent { text, recognised, source, base_path: "" };
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = event.method().unwrap_or_default();
    *request.headers_mut() = event.headers(shared).unwrap_or_default();
    request
}

/// The method of the event `text`, if it has one.
pub(crate) fn method(text: &str, recognised: &Recognised, source: &HttpSource) -> Option<Method> {
    HttpEvent { text, recognised, source, base_path: "" }.method().ok()
}

/// The members of an event from which a request is made.
struct HttpEvent<'a> {
    text: &'a str,
    recognised: &'a Recognised,
    source: &'a HttpSource,
    base_path: &'a str,
}

impl<'a> HttpEvent<'a> {
    fn top(&self, member: Top) -> Option<&'a str> {
        self.recognised.top(self.text, member)
    }

    fn context(&self, member: Context) -> Option<&'a str> {
        self.recognised.context(self.text, member)
    }

    fn method(&self) -> Result<Method, RequestError> {
        const EXPECTED: RequestError = RequestError::Expected("a method");
        let method = match self.source.method {
            MethodMember::Post => return Ok(Method::POST),
            MethodMember::Http => {
                let http = self.context(Context::Http).unwrap_or_default();
                let position = |member: &str| (member == "method").then_some(0);
                let [method] = members(http, position).map_err(|_| EXPECTED)?;
                method
            }
            MethodMember::Top(member) => self.top(member),
        };
        let method = method.and_then(string).ok_or(EXPECTED)?;
        Method::from_bytes(method.as_bytes()).map_err(|_| EXPECTED)
    }

    fn uri(&self) -> Result<Uri, RequestError> {
        let path = self.recognised.path_member(self.text).and_then(string);
        let path = path.ok_or(RequestError::Expected("a path"))?;
        let mut uri = String::with_capacity(path.len().saturating_mul(2).saturating_add(64));
        let (path, query) = match self.source.query.value {
            Query::InPath => path.split_once('?').unwrap_or((&path, "")),
            Query::Raw | Query::Decoded | Query::Encoded => (&*path, ""),
        };
        let form = match self.source.path_is_decoded() {
            true => PathForm::Decoded,
            false => PathForm::Encoded,
        };
        if self.source.path.value == Path::RouteKey {
            canonical(&format!("/{path}"), form, &mut uri)?;
        } else {
            canonical(self.without_prefix(path), form, &mut uri)?;
        }
        let path_ends = uri.len();
        uri.push('?');
        match query {
            "" => self.query(&mut uri)?,
            query => push_raw(&mut uri, query),
        }
        if uri.len() == path_ends.saturating_add(1) {
            uri.truncate(path_ends);
        }
        Ok(Uri::from_maybe_shared(Bytes::from(uri))?)
    }

    /// The path without what the source writes before the path of the route.
    fn without_prefix<'p>(&self, path: &'p str) -> &'p str {
        let path = match self.source.prefix.value {
            Prefix::Nothing => path,
            Prefix::Stage => self.without_stage(path),
            Prefix::StageOrBasePath if self.is_own_domain() => self.without_stage(path),
            Prefix::BasePath if self.is_own_domain() => path,
            Prefix::StageOrBasePath | Prefix::BasePath => self.without_base_path(path),
        };
        without_prefix(path, self.base_path)
    }

    fn without_stage<'p>(&self, path: &'p str) -> &'p str {
        let stage = self.context(Context::Stage).and_then(string).unwrap_or_default();
        if stage == "$default" { path } else { without_prefix(path, &stage) }
    }

    /// Whether the client called the domain that API Gateway made for the API. Only a custom domain has base
    /// paths.
    fn is_own_domain(&self) -> bool {
        let domain = self.context(Context::DomainName).and_then(string);
        domain.is_none_or(|domain| domain.contains(".execute-api."))
    }

    fn without_base_path<'p>(&self, path: &'p str) -> &'p str {
        let Some(template) = self.top(Top::Resource).and_then(string) else { return path };
        let parameters = self.top(Top::PathParameters).unwrap_or("{}");
        without_base_path(path, &template, |name| {
            let [value] = members(parameters, |member| (member == name).then_some(0)).ok()?;
            value.and_then(string).map(Cow::into_owned)
        })
    }

    fn query(&self, uri: &mut String) -> Result<(), RequestError> {
        if let Some(raw) = self.top(Top::RawQuery) {
            let raw = string(raw).ok_or(RequestError::Expected("a query as a string"))?;
            push_raw(uri, &raw);
            return Ok(());
        }
        let encoding = match self.source.query_is_encoded() {
            true => Encoding::Encoded,
            false => Encoding::Decoded,
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
        let multi = multi.map(|multi| fill(&mut headers, multi, shared, Take::All)).transpose()?;
        if let Some(single) = self.top(Top::Headers) {
            let has_list = self.source.cookies.value == Cookies::Both && self.has_cookie_list();
            let take = match &multi {
                Some(names) => Take::Missing(names),
                None if has_list => Take::AllButCookies,
                None => Take::All,
            };
            fill(&mut headers, single, shared, take)?;
        }
        if self.source.cookies.value != Cookies::Header
            && let Some(cookies) = self.top(Top::Cookies)
            && let Some(cookie) = self.cookies(cookies)?
        {
            headers.append(header::COOKIE, cookie);
        }
        Ok(headers)
    }

    fn has_cookie_list(&self) -> bool {
        self.top(Top::Cookies).is_some_and(|cookies| from_first(cookies).is_some())
    }

    /// The cookies of a list, joined into one header with `; ` (RFC 6265, section 5.4).
    fn cookies(&self, json: &str) -> Result<Option<HeaderValue>, RequestError> {
        const EXPECTED: RequestError = RequestError::Expected("cookies as a list of strings");
        let mut joined = String::with_capacity(json.len());
        let mut is_empty = true;
        let pushed: Result<(), ScanError> = Scan::new(json).each_of_list(|scan| {
            if !std::mem::take(&mut is_empty) {
                joined.push_str("; ");
            }
            joined.push_str(&scan.value().and_then(string).ok_or(ScanError::NotAList)?);
            Ok(())
        });
        pushed.map_err(|_| EXPECTED)?;
        if is_empty {
            return Ok(None);
        }
        let cookie = HeaderValue::from_maybe_shared(Bytes::from(joined));
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
