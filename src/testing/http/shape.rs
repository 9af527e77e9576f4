//! The shapes in which sources hand over a request.

use serde_json::{Map, Value, json};

use crate::pipeline::Kind;
use crate::testing::http::HttpEvent;

impl HttpEvent {
    pub(super) fn value(&self) -> Map<String, Value> {
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
