//! Problem details (RFC 9457), and the problem that each error becomes.

mod mapping;

use std::{error::Error, fmt, sync::Arc};

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};

pub use mapping::IntoProblem;

use crate::json::error::redacted_chain;

/// An error response in the format of RFC 9457, problem details.
///
/// Return it from a handler, or let `?` convert any error into one. The error and its causes decide the
/// status:
///
/// | error, or one of its causes | status |
/// |---|---|
/// | the circuit is open, or the deadline has passed | 503 with `Retry-After` |
/// | the fleet's token cannot be fetched for a known time | 503 with `Retry-After` |
/// | the caller is not identified | 401, or 503 with `Retry-After` if that is not possible now |
/// | a call of [`Api`](crate::Api) took too long | 504 |
/// | a call of [`Api`](crate::Api) got no answer, an answer that cannot be used, or a 5xx | 502 |
/// | any other error | 500 |
///
/// The log shows the error and its causes. The caller does not see them.
///
/// `Problem` itself is not an [`Error`]. For a boxed error, and for the errors of a circuit breaker and of
/// [`Idempotency`](crate::Idempotency), use [`IntoProblem`].
///
/// # Examples
///
/// ```
/// use funcify::Problem;
/// use http::StatusCode;
///
/// fn quantity(text: &str) -> Result<u32, Problem> {
///     let quantity = text.parse().map_err(|_| Problem::bad_request("expected a quantity"))?;
///     if quantity > 100 {
///         return Err(Problem::new(StatusCode::CONFLICT)
///             .with("title", "Out of stock")
///             .with("available", 100));
///     }
///     Ok(quantity)
/// }
/// assert_eq!(quantity("a few").unwrap_err().status(), StatusCode::BAD_REQUEST);
/// assert_eq!(
///     serde_json::to_string(&quantity("101").unwrap_err()).unwrap(),
///     r#"{"type":"about:blank","title":"Out of stock","status":409,"available":100}"#
/// );
///
/// fn read() -> Result<String, Problem> {
///     Ok(std::fs::read_to_string("/no/such/file")?)
/// }
/// assert_eq!(read().unwrap_err().status(), StatusCode::INTERNAL_SERVER_ERROR);
/// ```
pub struct Problem(Box<Parts>);

struct Parts {
    status: StatusCode,
    kind: Option<String>,
    title: Option<String>,
    detail: Option<String>,
    instance: Option<String>,
    members: Map<String, Value>,
    headers: HeaderMap,
    cause: Cause,
}

/// What the log says about a problem. It is an extension of the response.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cause {
    /// The error and its causes in one line.
    pub(crate) text: Option<Arc<str>>,
    /// Whether the request was refused before anything was tried: by a guard, the access policy or an open
    /// circuit.
    pub(crate) refused: bool,
}

impl Problem {
    /// A problem with this status. Its title is the name of the status.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self(Box::new(Parts {
            status,
            kind: None,
            title: None,
            detail: None,
            instance: None,
            members: Map::new(),
            headers: HeaderMap::new(),
            cause: Cause::default(),
        }))
    }

    /// A 400 Bad Request. The caller sees `detail`, such as "expected a quantity".
    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST).with("detail", detail.into())
    }

    /// Sets a member of the JSON object. The caller sees it, also in a 5xx.
    ///
    /// RFC 9457, section 3.1, defines `type` (a URI, by default `about:blank`), `title` (by default the name
    /// of the status), `detail` (explains this occurrence of the problem) and `instance` (a URI). They take a
    /// string, and another value is ignored. `status` is ignored. Every other member is your extension.
    #[must_use]
    pub fn with(mut self, member: impl Into<String>, value: impl Into<Value>) -> Self {
        let member = member.into();
        match (member.as_str(), value.into()) {
            ("type", Value::String(uri)) => self.0.kind = Some(uri),
            ("title", Value::String(title)) => self.0.title = Some(title),
            ("detail", Value::String(detail)) => self.0.detail = Some(detail),
            ("instance", Value::String(uri)) => self.0.instance = Some(uri),
            ("type" | "title" | "status" | "detail" | "instance", _) => {}
            (_, value) => {
                self.0.members.insert(member, value);
            }
        }
        self
    }

    /// Adds a header to the response. A header with the same name is kept.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::Problem;
    /// use http::{HeaderValue, StatusCode, header};
    ///
    /// let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS)
    ///     .header(header::RETRY_AFTER, HeaderValue::from_static("30"));
    /// assert_eq!(problem.status(), 429);
    /// ```
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.append(name, value);
        self
    }

    /// Adds an error and its causes to the log line of the invocation. The caller does not see them. Values
    /// that a parser quotes are removed.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::Problem;
    /// use http::StatusCode;
    ///
    /// fn stock() -> Result<String, Problem> {
    ///     std::fs::read_to_string("/no/such/file")
    ///         .map_err(|error| Problem::new(StatusCode::BAD_GATEWAY).caused_by(&error))
    /// }
    /// assert_eq!(stock().unwrap_err().status(), 502);
    /// ```
    #[must_use]
    pub fn caused_by(mut self, error: &(dyn Error + 'static)) -> Self {
        self.0.cause.text = Some(redacted_chain(error).into());
        self
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    pub(crate) fn detail_text(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// Marks that the request was refused before anything was tried.
    pub(crate) fn refused(mut self) -> Self {
        self.0.cause.refused = true;
        self
    }

    pub(crate) fn is_refusal(&self) -> bool {
        self.0.cause.refused
    }

    /// All of it in one line, for the log.
    pub(crate) fn cause(&self) -> Option<Arc<str>> {
        Some(self.to_string().into())
    }

    fn title(&self) -> Option<&str> {
        self.0.title.as_deref().or(self.0.status.canonical_reason())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let Parts { status, headers, cause, .. } = *self.0;
        let mut response = (status, headers, body).into_response();
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response.extensions_mut().insert(cause);
        response
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parts = &self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", parts.kind.as_deref().unwrap_or("about:blank"))?;
        if let Some(title) = self.title() {
            map.serialize_entry("title", title)?;
        }
        map.serialize_entry("status", &parts.status.as_u16())?;
        if let Some(detail) = &parts.detail {
            map.serialize_entry("detail", detail)?;
        }
        if let Some(instance) = &parts.instance {
            map.serialize_entry("instance", instance)?;
        }
        for (member, value) in &parts.members {
            map.serialize_entry(member, value)?;
        }
        map.end()
    }
}

impl fmt::Display for Problem {
    /// For the log: title, detail and cause.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = &self.0;
        write!(f, "{}", self.title().unwrap_or(parts.status.as_str()))?;
        for more in [parts.detail.as_deref(), parts.cause.text.as_deref()].into_iter().flatten() {
            write!(f, ": {more}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem")
            .field("status", &self.0.status)
            .field("title", &self.0.title)
            .field("detail", &self.0.detail)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_members_of_the_rfc_take_text_and_the_status_stays() {
        let problem = Problem::bad_request("no")
            .with("status", 200)
            .with("title", 7)
            .with("balance", 3)
            .with("type", "https://example.com/problems/no-credit")
            .with("instance", "/orders/7");
        assert_eq!(
            serde_json::to_value(&problem).unwrap(),
            json!({
                "type": "https://example.com/problems/no-credit",
                "title": "Bad Request",
                "status": 400,
                "detail": "no",
                "instance": "/orders/7",
                "balance": 3,
            })
        );
    }
}
