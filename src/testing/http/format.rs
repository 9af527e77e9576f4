//! The formats in which the sources deliver a request. The table of sources has the differences between them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::pipeline::Kind;
use crate::pipeline::event::source::Source;
use crate::pipeline::event::source::http::{Cookies, Headers, HttpSource};
use crate::testing::http::HttpRequest;

/// The stage of an API whose paths do not begin with a stage.
const STAGE: &str = "$default";

impl HttpRequest {
    /// The event of this request.
    pub(in crate::testing) fn event(&self) -> Map<String, Value> {
        let (method, (body, is_base64)) = (self.method.as_str(), self.text_body());
        let path = self.path();
        let headers = &self.headers;
        let query = self.parameters();
        let value = match self.kind {
            Kind::HttpV2 | Kind::FunctionUrl => return self.payload_2(),
            Kind::Alb => json!({
                "requestContext": { "elb": { "targetGroupArn":
                    "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/t/1" } },
                "httpMethod": method,
                "path": path,
            }),
            Kind::VpcLatticeV1 => {
                return object(json!({
                    "raw_path": self.path_and_query(),
                    "method": method,
                    "headers": joined(headers),
                    "query_string_parameters": joined(&query),
                    "body": body,
                    "is_base64_encoded": is_base64,
                }));
            }
            Kind::VpcLatticeV2 => {
                return object(json!({
                    "version": "2.0",
                        "path": self.path,
                    "method": method,
                    "headers": listed(headers),
                    "queryStringParameters": listed(&query),
                    "body": body,
                    "isBase64Encoded": is_base64,
                    "requestContext": { "serviceNetworkArn":
                        "arn:aws:vpc-lattice:eu-west-1:123456789012:servicenetwork/sn-1" },
                }));
            }
            Kind::WebSocket => json!({
                "requestContext": {
                    "routeKey": self.path,
                    "eventType": "MESSAGE",
                    "connectionId": "K0yfbeVtLPECEJQ=",
                    "stage": STAGE,
                    "apiId": "api",
                    "authorizer": self.authorizer,
                },
            }),
            kind => json!({
                "version": if kind == Kind::HttpV1Payload { json!("1.0") } else { Value::Null },
                "resource": "/{proxy+}",
                "httpMethod": method,
                "path": path,
                "requestContext": {
                    "apiId": "api",
                    "stage": STAGE,
                    "httpMethod": method,
                    "path": format!("/{STAGE}{path}"),
                    "authorizer": self.authorizer,
                },
            }),
        };
        let mut value = object(value);
        let delivered = self.source().map(|source| source.headers.value);
        let (has_single, has_multi) = match delivered {
            Some(Headers::Either) => (!self.has_multi_value_headers, self.has_multi_value_headers),
            _ => (true, true),
        };
        if has_single {
            value.insert("headers".to_owned(), last(headers));
            value.insert("queryStringParameters".to_owned(), last(&query));
        }
        if has_multi {
            value.insert("multiValueHeaders".to_owned(), listed(headers));
            value.insert("multiValueQueryStringParameters".to_owned(), listed(&query));
        }
        value.insert("body".to_owned(), body);
        value.insert("isBase64Encoded".to_owned(), json!(is_base64));
        value
    }

    /// The path as this source delivers it.
    fn path(&self) -> String {
        let is_decoded = self.source().is_some_and(HttpSource::path_is_decoded);
        match is_decoded {
            true => percent_decode_str(&self.path).decode_utf8_lossy().into_owned(),
            false => self.path.clone(),
        }
    }

    fn source(&self) -> Option<&'static HttpSource> {
        Source::of(self.kind).http
    }

    /// Payload format 2.0, with cookies in a list.
    fn payload_2(&self) -> Map<String, Value> {
        let domain = match self.kind {
            Kind::FunctionUrl => "url.lambda-url.eu-west-1.on.aws",
            _ => "api.execute-api.eu-west-1.amazonaws.com",
        };
        let path = self.path();
        let is_cookie = |header: &&(String, String)| header.0.eq_ignore_ascii_case("cookie");
        let keeps_cookies =
            self.source().is_some_and(|source| source.cookies.value == Cookies::Both);
        let is_sent = |header: &&(String, String)| keeps_cookies || !is_cookie(header);
        let headers: Vec<_> = self.headers.iter().filter(is_sent).cloned().collect();
        let cookies: Vec<&str> = self
            .headers
            .iter()
            .filter(is_cookie)
            .flat_map(|(_, value)| value.split("; "))
            .collect();
        let (body, is_base64) = self.text_body();
        let mut value = object(json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": self.query,
            "headers": joined(&headers),
            "requestContext": {
                "apiId": "api",
                "domainName": domain,
                "http": { "method": self.method.as_str(), "path": path },
                "stage": STAGE,
                "authorizer": self.authorizer,
            },
            "isBase64Encoded": is_base64,
        }));
        if !self.query.is_empty() {
            value.insert("queryStringParameters".to_owned(), joined(&self.parameters()));
        }
        if !cookies.is_empty() {
            value.insert("cookies".to_owned(), json!(cookies));
        }
        if !body.is_null() {
            value.insert("body".to_owned(), body);
        }
        value
    }

    /// The body as a JSON value, and whether it is base64.
    fn text_body(&self) -> (Value, bool) {
        match self.body.as_deref().map(|body| (body, std::str::from_utf8(body))) {
            None => (Value::Null, false),
            Some((_, Ok(text))) => (text.into(), false),
            Some((body, Err(_))) => (STANDARD.encode(body).into(), true),
        }
    }

    fn path_and_query(&self) -> String {
        let (path, query) = (&self.path, &self.query);
        if query.is_empty() { path.clone() } else { format!("{path}?{query}") }
    }

    /// The names and values of the query, as this source delivers them.
    fn parameters(&self) -> Vec<(String, String)> {
        let encoded = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), value.to_owned())
        };
        let is_encoded = self.source().is_some_and(HttpSource::query_is_encoded);
        match is_encoded {
            true => self.query.split('&').filter(|pair| !pair.is_empty()).map(encoded).collect(),
            false => url::form_urlencoded::parse(self.query.as_bytes()).into_owned().collect(),
        }
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// The last value of each name.
fn last(pairs: &[(String, String)]) -> Value {
    pairs
        .iter()
        .cloned()
        .map(|(name, value)| (name, Value::from(value)))
        .collect::<Map<_, _>>()
        .into()
}

/// All values of each name, joined with commas.
fn joined(pairs: &[(String, String)]) -> Value {
    collected(pairs, |all| all.join(",").into())
}

/// All values of each name, in a list.
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

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    /// Encoded and plain characters, a repeated name, a name without a value, and an empty parameter.
    const QUERY: &str = "q=a%20b%26c%3D%C3%BC&t=x&t=y&one+more=1+1&&flag";

    fn event(kind: Kind) -> Value {
        HttpRequest::new(kind, Method::GET, &format!("/orders?{QUERY}")).event().into()
    }

    #[test]
    fn payload_1_has_the_decoded_values_and_all_of_them_in_the_second_map() {
        for kind in [Kind::RestV1, Kind::HttpV1Payload, Kind::WebSocket] {
            let event = event(kind);
            let single = json!({ "q": "a b&c=ü", "t": "y", "one more": "1 1", "flag": "" });
            let multi =
                json!({ "q": ["a b&c=ü"], "t": ["x", "y"], "one more": ["1 1"], "flag": [""] });
            assert_eq!(event["queryStringParameters"], single, "{kind}");
            assert_eq!(event["multiValueQueryStringParameters"], multi, "{kind}");
            let path = if kind == Kind::WebSocket { json!(null) } else { json!("/orders") };
            assert_eq!(event["path"], path, "{kind}");
        }
        assert_eq!(event(Kind::RestV1)["requestContext"]["path"], "/$default/orders");
        assert_eq!(event(Kind::WebSocket)["requestContext"]["routeKey"], "/orders");
    }

    #[test]
    fn payload_2_has_the_query_as_it_was_sent_and_the_decoded_values_joined() {
        for kind in [Kind::HttpV2, Kind::FunctionUrl] {
            let event = event(kind);
            assert_eq!(event["rawPath"], "/orders", "{kind}");
            assert_eq!(event["requestContext"]["http"]["path"], "/orders", "{kind}");
            assert_eq!(event["rawQueryString"], QUERY, "{kind}");
            let joined = json!({ "q": "a b&c=ü", "t": "x,y", "one more": "1 1", "flag": "" });
            assert_eq!(event["queryStringParameters"], joined, "{kind}");
        }
    }

    #[test]
    fn a_load_balancer_has_the_encoded_values_in_one_map_or_the_other() {
        let single = event(Kind::Alb);
        let last = json!({ "q": "a%20b%26c%3D%C3%BC", "t": "y", "one+more": "1+1", "flag": "" });
        assert_eq!(single["queryStringParameters"], last);
        assert_eq!(single["multiValueQueryStringParameters"], Value::Null);
        assert_eq!(single["path"], "/orders");

        let mut request = HttpRequest::new(Kind::Alb, Method::GET, &format!("/orders?{QUERY}"));
        request.has_multi_value_headers = true;
        let multi = Value::from(request.event());
        let all = json!({
            "q": ["a%20b%26c%3D%C3%BC"], "t": ["x", "y"], "one+more": ["1+1"], "flag": [""],
        });
        assert_eq!(multi["multiValueQueryStringParameters"], all);
        assert_eq!(multi["queryStringParameters"], Value::Null);
    }

    #[test]
    fn vpc_lattice_1_has_the_query_in_its_path_and_the_encoded_values_joined() {
        let event = event(Kind::VpcLatticeV1);
        assert_eq!(event["raw_path"], format!("/orders?{QUERY}"));
        let joined =
            json!({ "q": "a%20b%26c%3D%C3%BC", "t": "x,y", "one+more": "1+1", "flag": "" });
        assert_eq!(event["query_string_parameters"], joined);
    }

    #[test]
    fn vpc_lattice_2_has_the_encoded_values_in_lists() {
        let event = event(Kind::VpcLatticeV2);
        assert_eq!(event["path"], "/orders");
        let listed = json!({
            "q": ["a%20b%26c%3D%C3%BC"], "t": ["x", "y"], "one+more": ["1+1"], "flag": [""],
        });
        assert_eq!(event["queryStringParameters"], listed);
    }

    #[test]
    fn a_path_is_decoded_where_the_source_decodes_it() {
        for (kind, member, path) in [
            (Kind::RestV1, "path", "/a%20b/100%25"),
            (Kind::HttpV1Payload, "path", "/a%20b/100%25"),
            (Kind::HttpV2, "rawPath", "/a b/100%"),
            (Kind::FunctionUrl, "rawPath", "/a%20b/100%25"),
            (Kind::Alb, "path", "/a%20b/100%25"),
        ] {
            let event = HttpRequest::new(kind, Method::GET, "/a%20b/100%25").event();
            assert_eq!(event[member], path, "{kind}");
        }
    }

    #[test]
    fn a_function_url_delivers_cookies_twice_and_an_http_api_in_its_list() {
        for (kind, header) in [(Kind::FunctionUrl, json!("a=1; b=2")), (Kind::HttpV2, Value::Null)]
        {
            let mut request = HttpRequest::new(kind, Method::GET, "/");
            request.headers.push(("cookie".to_owned(), "a=1; b=2".to_owned()));
            let event = Value::from(request.event());
            assert_eq!(event["cookies"], json!(["a=1", "b=2"]), "{kind}");
            assert_eq!(event["headers"]["cookie"], header, "{kind}");
        }
    }

    #[test]
    fn a_request_without_a_query_has_no_parameters() {
        for path in ["/orders", "/orders?"] {
            let event = |kind| Value::from(HttpRequest::new(kind, Method::GET, path).event());
            assert_eq!(event(Kind::RestV1)["queryStringParameters"], json!({}));
            assert_eq!(event(Kind::HttpV2)["rawQueryString"], "");
            assert_eq!(event(Kind::HttpV2).get("queryStringParameters"), None);
            assert_eq!(event(Kind::Alb)["queryStringParameters"], json!({}));
            assert_eq!(event(Kind::VpcLatticeV1)["raw_path"], "/orders");
            assert_eq!(event(Kind::VpcLatticeV2)["path"], "/orders");
            assert_eq!(event(Kind::VpcLatticeV2)["queryStringParameters"], json!({}));
        }
    }
}
