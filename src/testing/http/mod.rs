mod format;

use ::http::Method;
use serde_json::Value;

use crate::pipeline::Kind;

/// An HTTP request, and the source that delivers it.
#[derive(Clone, Debug)]
pub(super) struct HttpRequest {
    pub(super) kind: Kind,
    /// Whether an Application Load Balancer is configured to deliver multi-value headers.
    pub(super) has_multi_value_headers: bool,
    pub(super) method: Method,
    pub(super) path: String,
    /// The query as the client sent it. Empty if there is none.
    pub(super) query: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Vec<u8>>,
    pub(super) authorizer: Value,
}

impl HttpRequest {
    /// `path` may have a query.
    pub(super) fn new(kind: Kind, method: Method, path: &str) -> Self {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        Self {
            kind,
            has_multi_value_headers: false,
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: vec![("host".to_owned(), "api.example.com".to_owned())],
            body: None,
            authorizer: Value::Null,
        }
    }
}
