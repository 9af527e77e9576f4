mod shape;

use ::http::Method;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::pipeline::Kind;
use crate::testing::TestEvent;

/// An HTTP request in the form of a source that hands it over.
#[derive(Clone, Debug)]
#[must_use]
pub struct HttpEvent {
    kind: Kind,
    multi_value: bool,
    method: Method,
    path: String,
    stage: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    cookies: Vec<String>,
    body: Option<Value>,
    is_base64: bool,
    authorizer: Value,
}

/// A request by way of a REST API.
pub fn rest_request(method: Method, path: &str) -> HttpEvent {
    HttpEvent::new(Kind::RestV1, method, path)
}

/// A GET by way of a REST API.
pub fn rest_get(path: &str) -> HttpEvent {
    rest_request(Method::GET, path)
}

/// A POST by way of a REST API.
pub fn rest_post(path: &str) -> HttpEvent {
    rest_request(Method::POST, path)
}

/// A request by way of an HTTP API, payload 2.0.
pub fn http_request(method: Method, path: &str) -> HttpEvent {
    HttpEvent::new(Kind::HttpV2, method, path)
}

/// A GET by way of an HTTP API, payload 2.0.
pub fn http_get(path: &str) -> HttpEvent {
    http_request(Method::GET, path)
}

/// A POST by way of an HTTP API, payload 2.0.
pub fn http_post(path: &str) -> HttpEvent {
    http_request(Method::POST, path)
}

/// A request by way of an HTTP API, payload 1.0.
pub fn http_v1_payload(method: Method, path: &str) -> HttpEvent {
    HttpEvent::new(Kind::HttpV1Payload, method, path)
}

/// A request to a function URL.
pub fn function_url(method: Method, path: &str) -> HttpEvent {
    HttpEvent::new(Kind::FunctionUrl, method, path)
}

/// A request by way of an Application Load Balancer.
pub fn alb(method: Method, path: &str) -> HttpEvent {
    HttpEvent { multi_value: false, ..HttpEvent::new(Kind::Alb, method, path) }
}

/// The same with multi-value headers switched on.
pub fn alb_multi_value(method: Method, path: &str) -> HttpEvent {
    HttpEvent::new(Kind::Alb, method, path)
}

/// A request by way of VPC Lattice, version 1.
pub fn vpc_lattice_v1(method: Method, path: &str) -> HttpEvent {
    HttpEvent::new(Kind::VpcLatticeV1, method, path)
}

/// A request by way of VPC Lattice, version 2.
pub fn vpc_lattice_v2(method: Method, path: &str) -> HttpEvent {
    HttpEvent::new(Kind::VpcLatticeV2, method, path)
}

/// A message of a WebSocket connection: `$connect`, `$disconnect`, `$default` or a key of its own.
pub fn websocket(route_key: &str) -> HttpEvent {
    HttpEvent::new(Kind::WebSocket, Method::POST, route_key)
}

/// What API Gateway asks an authorizer about a request.
#[must_use]
pub fn authorizer(method: &Method, path: &str) -> TestEvent {
    let mut event = rest_request(method.clone(), path).value();
    event.insert("type".to_owned(), json!("REQUEST"));
    let arn = format!("arn:aws:execute-api:eu-west-1:123456789012:api/prod/{method}{path}");
    event.insert("methodArn".to_owned(), json!(arn));
    TestEvent::new(event.into())
}

impl HttpEvent {
    fn new(kind: Kind, method: Method, path: &str) -> Self {
        Self {
            kind,
            multi_value: true,
            method,
            path: path.to_owned(),
            stage: "$default".to_owned(),
            query: Vec::new(),
            headers: vec![("host".to_owned(), "api.example.com".to_owned())],
            cookies: Vec::new(),
            body: None,
            is_base64: false,
            authorizer: Value::Null,
        }
    }

    /// Adds a header; a second one of the same name stands beside it.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a bearer token.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Adds a cookie, `name=value`.
    pub fn cookie(mut self, cookie: &str) -> Self {
        self.cookies.push(cookie.to_owned());
        self
    }

    /// Adds a query parameter, not encoded.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the stage; the path of an HTTP API begins with it.
    pub fn stage(mut self, stage: &str) -> Self {
        self.stage = stage.to_owned();
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.body = Some(body.into().into());
        self
    }

    /// Sets a body of any bytes, which travels as base64.
    pub fn binary(mut self, body: &[u8]) -> Self {
        self.body = Some(STANDARD.encode(body).into());
        self.is_base64 = true;
        self
    }

    /// Sets a JSON body and its type.
    pub fn json_body(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// Sets what API Gateway's own authorizer said.
    pub fn authorizer(mut self, authorizer: Value) -> Self {
        self.authorizer = authorizer;
        self
    }

    /// The complete event.
    #[must_use]
    pub fn build(&self) -> TestEvent {
        TestEvent::new(self.value().into())
    }
}
