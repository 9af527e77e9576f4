use ::http::Method;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::TestEvent;
use crate::pipeline::Kind;

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

    fn value(&self) -> Map<String, Value> {
        let (method, body) = (self.method.as_str(), self.body.clone());
        let headers = self.with_cookie_header();
        let query: Vec<_> = match self.kind {
            // These hand over a query as it came.
            Kind::Alb | Kind::VpcLatticeV1 | Kind::VpcLatticeV2 => {
                self.query.iter().map(|(name, value)| (encoded(name), encoded(value))).collect()
            }
            _ => self.query.clone(),
        };
        let value = match self.kind {
            Kind::HttpV2 | Kind::FunctionUrl => return self.payload_2(),
            Kind::Alb => json!({
                "requestContext": { "elb": { "targetGroupArn":
                    "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/t/1" } },
                "httpMethod": method,
                "path": self.path,
            }),
            Kind::VpcLatticeV1 => {
                return object(json!({
                    "raw_path": self.path_and_query(),
                    "method": method,
                    "headers": joined(&headers),
                    "query_string_parameters": joined(&query),
                    "body": body.unwrap_or_default(),
                    "is_base64_encoded": self.is_base64,
                }));
            }
            Kind::VpcLatticeV2 => {
                return object(json!({
                    "version": "2.0",
                    "path": self.path,
                    "method": method,
                    "headers": listed(&headers),
                    "queryStringParameters": listed(&query),
                    "body": body,
                    "isBase64Encoded": self.is_base64,
                    "requestContext": { "serviceNetworkArn":
                        "arn:aws:vpc-lattice:eu-west-1:123456789012:servicenetwork/sn-1" },
                }));
            }
            Kind::WebSocket => json!({
                "requestContext": {
                    "routeKey": self.path,
                    "eventType": "MESSAGE",
                    "connectionId": "K0yfbeVtLPECEJQ=",
                    "stage": self.stage,
                    "apiId": "api",
                    "authorizer": self.authorizer,
                },
            }),
            kind => json!({
                "version": if kind == Kind::HttpV1Payload { json!("1.0") } else { Value::Null },
                "resource": "/{proxy+}",
                "httpMethod": method,
                "path": self.staged_path(),
                "requestContext": {
                    "apiId": "api",
                    "stage": self.stage,
                    "httpMethod": method,
                    "path": format!("/{}{}", self.stage, self.path),
                    "authorizer": self.authorizer,
                },
            }),
        };
        let mut value = object(value);
        value.insert("headers".to_owned(), last(&headers));
        value.insert("queryStringParameters".to_owned(), last(&query));
        if self.multi_value {
            value.insert("multiValueHeaders".to_owned(), listed(&headers));
            value.insert("multiValueQueryStringParameters".to_owned(), listed(&query));
            if self.kind == Kind::Alb {
                value.remove("headers");
                value.remove("queryStringParameters");
            }
        }
        value.insert("body".to_owned(), body.unwrap_or_default());
        value.insert("isBase64Encoded".to_owned(), json!(self.is_base64));
        value
    }

    fn payload_2(&self) -> Map<String, Value> {
        let domain = match self.kind {
            Kind::FunctionUrl => "url.lambda-url.eu-west-1.on.aws",
            _ => "api.execute-api.eu-west-1.amazonaws.com",
        };
        let mut value = object(json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": self.staged_path(),
            "rawQueryString": self.encoded_query(),
            "headers": joined(&self.headers),
            "requestContext": {
                "apiId": "api",
                "domainName": domain,
                "http": { "method": self.method.as_str(), "path": self.staged_path() },
                "stage": self.stage,
                "authorizer": self.authorizer,
            },
            "isBase64Encoded": self.is_base64,
        }));
        if !self.query.is_empty() {
            value.insert("queryStringParameters".to_owned(), joined(&self.query));
        }
        if !self.cookies.is_empty() {
            value.insert("cookies".to_owned(), json!(self.cookies));
        }
        if let Some(body) = &self.body {
            value.insert("body".to_owned(), body.clone());
        }
        value
    }

    fn staged_path(&self) -> String {
        match self.kind {
            Kind::HttpV2 | Kind::HttpV1Payload if self.stage != "$default" => {
                format!("/{}{}", self.stage, self.path)
            }
            _ => self.path.clone(),
        }
    }

    fn path_and_query(&self) -> String {
        let query = self.encoded_query();
        if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) }
    }

    fn encoded_query(&self) -> String {
        let pair =
            |(name, value): &(String, String)| format!("{}={}", encoded(name), encoded(value));
        self.query.iter().map(pair).collect::<Vec<_>>().join("&")
    }

    fn with_cookie_header(&self) -> Vec<(String, String)> {
        let mut headers = self.headers.clone();
        if !self.cookies.is_empty() {
            headers.push(("cookie".to_owned(), self.cookies.join("; ")));
        }
        headers
    }
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// Of pairs with one name, the last.
fn last(pairs: &[(String, String)]) -> Value {
    pairs
        .iter()
        .cloned()
        .map(|(name, value)| (name, Value::from(value)))
        .collect::<Map<_, _>>()
        .into()
}

/// Of pairs with one name, all, joined by commas.
fn joined(pairs: &[(String, String)]) -> Value {
    collected(pairs, |all| all.join(",").into())
}

/// Of pairs with one name, all, in a list.
fn listed(pairs: &[(String, String)]) -> Value {
    collected(pairs, |all| all.into())
}

fn collected(pairs: &[(String, String)], collect: fn(Vec<String>) -> Value) -> Value {
    let all = |name: &str| {
        let same = pairs.iter().filter(|(other, _)| other == name);
        same.map(|(_, value)| value.clone()).collect()
    };
    let collected = pairs.iter().map(|(name, _)| (name.clone(), collect(all(name))));
    collected.collect::<Map<_, _>>().into()
}
