//! The HTTP request that a handler gets, for every source.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{Request, State},
};
use funcify::{
    pipeline::{Pipeline, Processed},
    testing::TestEvent,
};
use http::{HeaderMap, Method, Uri, request};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::{ProptestConfig, Strategy, prop, prop_assert_eq, prop_assume, proptest};
use serde_json::{Value, json};

use crate::support::events;

/// The request that reached the handler.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) parts: request::Parts,
    pub(super) body: Bytes,
}

impl Seen {
    fn uri(&self) -> &Uri {
        &self.parts.uri
    }

    fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.headers().get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }
}

type Slot = Arc<Mutex<Option<Seen>>>;

async fn see(State(slot): State<Slot>, request: Request) {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    *slot.lock().unwrap() = Some(Seen { parts, body });
}

/// The request that reaches a handler which takes everything.
pub(super) async fn seen(event: &TestEvent) -> Seen {
    let (processed, seen) = reached(event).await;
    assert_eq!(processed.status.unwrap(), 200, "{processed:?}");
    seen.unwrap()
}

/// The same, if a request reaches the handler at all.
pub(super) async fn reached(event: &TestEvent) -> (Processed, Option<Seen>) {
    let slot = Slot::default();
    let router = Router::new().fallback(see);
    let pipeline = Pipeline::builder(Arc::clone(&slot)).http(router).build().unwrap();
    let processed = pipeline.process(event.into()).await;
    let seen = slot.lock().unwrap().take();
    (processed, seen)
}

/// The status of an event that must not reach the handler.
async fn refused(event: &TestEvent) -> u16 {
    let slot = Slot::default();
    let router = Router::new().fallback(see);
    let pipeline = Pipeline::builder(Arc::clone(&slot)).http(router).build().unwrap();
    let output = event.send(&pipeline).await.unwrap();
    assert!(slot.lock().unwrap().is_none(), "{event} reached the handler");
    let kind = &output.http().unwrap().headers()["content-type"];
    assert_eq!(kind, "application/problem+json");
    output.http().unwrap().status().as_u16()
}

fn every_source(method: &Method, path: &str) -> Vec<TestEvent> {
    vec![
        events::rest_request(method.clone(), path),
        events::http_v1_payload(method.clone(), path),
        events::http_request(method.clone(), path),
        events::function_url(method.clone(), path),
        events::alb(method.clone(), path),
        events::alb_multi_value(method.clone(), path),
        events::vpc_lattice_v1(method.clone(), path),
        events::vpc_lattice_v2(method.clone(), path),
    ]
}

#[tokio::test]
async fn method_path_query_headers_and_body_arrive_from_every_source() {
    for event in every_source(&Method::PUT, "/orders/a%20b?q=a%20b%26c%3D%C3%BC") {
        let event = event
            .header("X-Tenant", "acme")
            .header("cookie", "a=1; b=2")
            .body("{\"quote\":\"\\\"\"}\n");
        let seen = seen(&event).await;
        assert_eq!(seen.parts.method, Method::PUT);
        assert_eq!(seen.uri().path(), "/orders/a%20b");
        assert_eq!(seen.uri().query().unwrap().to_lowercase(), "q=a%20b%26c%3d%c3%bc");
        assert_eq!(seen.all("x-tenant"), ["acme"]);
        assert_eq!(seen.all("cookie"), ["a=1; b=2"], "{event}");
        assert_eq!(seen.body, "{\"quote\":\"\\\"\"}\n");
    }
}

#[tokio::test]
async fn repeated_headers_and_parameters_keep_every_value_in_order() {
    for event in [
        events::rest_get("/?t=x&t=y"),
        events::http_v1_payload(Method::GET, "/?t=x&t=y"),
        events::alb_multi_value(Method::GET, "/?t=x&t=y"),
        events::vpc_lattice_v2(Method::GET, "/?t=x&t=y"),
    ] {
        let event = event.header("x-a", "1").header("x-a", "2");
        let seen = seen(&event).await;
        assert_eq!(seen.all("x-a"), ["1", "2"], "{event}");
        assert_eq!(seen.uri().query(), Some("t=x&t=y"));
    }
}

#[tokio::test]
async fn names_that_are_only_in_the_single_value_map_are_not_lost() {
    let event = TestEvent::from(json!({
        "httpMethod": "GET", "path": "/", "requestContext": {},
        "headers": { "X-Both": "2", "X-Single": "s" },
        "multiValueHeaders": { "x-both": ["1", "2"] },
        "queryStringParameters": { "both": "2", "single": "s" },
        "multiValueQueryStringParameters": { "both": ["1", "2"] },
    }));
    let seen = seen(&event).await;
    assert_eq!((seen.all("x-both"), seen.all("x-single")), (vec!["1", "2"], vec!["s"]));
    assert_eq!(seen.uri().query(), Some("both=1&both=2&single=s"));
}

#[tokio::test]
async fn a_binary_body_arrives_as_it_was() {
    let bytes: Vec<u8> = (0..=255).collect();
    for event in every_source(&Method::POST, "/") {
        assert_eq!(seen(&event.body(&bytes)).await.body, bytes);
    }
}

#[tokio::test]
async fn an_encoded_query_is_not_encoded_again() {
    let mut event = events::json(&events::http_get("/"));
    event["rawQueryString"] = json!("a=%2520&b=+&c=x%20y&d=1&d=2");
    let seen = seen(&TestEvent::from(event)).await;
    assert_eq!(seen.uri().query(), Some("a=%2520&b=+&c=x%20y&d=1&d=2"));
}

#[tokio::test]
async fn the_stage_is_stripped_and_the_text_of_the_event_keeps_it() {
    let mut event = events::json(&events::http_get("/prod/orders"));
    event["requestContext"]["stage"] = json!("prod");
    let event = TestEvent::from(event);
    assert_eq!(seen(&event).await.uri().path(), "/orders");
    let parsed = events::parsed(&event);
    assert_eq!(parsed.http().unwrap().uri().path(), "/orders");
    assert!(parsed.text().contains(r#""rawPath":"/prod/orders""#));
    // The stage precedes every path, also under a custom domain, whatever the path begins with.
    for (domain, stage, route, whole, path) in [
        ("api.example.com", "prod", "$default", "/prod/orders", "/orders"),
        ("api.example.com", "prod", "ANY /{proxy+}", "/prod/orders", "/orders"),
        ("id.execute-api.eu-west-1.amazonaws.com", "prod", "$default", "/prod/orders", "/orders"),
        (
            "id.execute-api.eu-west-1.amazonaws.com",
            "api",
            "ANY /api/{proxy+}",
            "/api/api/o",
            "/api/o",
        ),
        ("api.example.com", "api", "ANY /api/{proxy+}", "/api/api/o", "/api/o"),
    ] {
        let mut event = events::json(&events::http_get(whole));
        event["requestContext"]["stage"] = json!(stage);
        event["requestContext"]["domainName"] = json!(domain);
        event["routeKey"] = json!(route);
        let seen = seen(&TestEvent::from(event)).await;
        assert_eq!(seen.uri().path(), path, "{domain} {route}");
    }
    let default = TestEvent::from(events::json(&events::http_get("/$default/orders")));
    assert_eq!(seen(&default).await.uri().path(), "/$default/orders");
    let mut event = events::json(&events::rest_get("/prod/orders"));
    event["requestContext"]["stage"] = json!("prod");
    let event = TestEvent::from(event);
    assert_eq!(seen(&event).await.uri().path(), "/prod/orders", "REST paths have no stage");
}

#[tokio::test]
async fn websocket_messages_are_posts_to_their_route_key() {
    for (key, path) in [("$connect", "/$connect"), ("$default", "/$default"), ("send", "/send")] {
        let seen = seen(&events::websocket(key).body("hello")).await;
        assert_eq!((seen.parts.method.as_str(), seen.uri().path()), ("POST", path));
        assert_eq!(seen.body, "hello");
    }
}

#[tokio::test]
async fn an_ambiguous_request_gets_400_from_every_source() {
    for path in ["/%2e%2e/etc", "/a/..%5cb", "/a%2f..", "/a%00", "a", ""] {
        for event in every_source(&Method::GET, path) {
            assert_eq!(refused(&event).await, 400, "{path}");
        }
    }
    // The gateway of an HTTP API has decoded the path to text, so the path is always UTF-8.
    for event in every_source(&Method::GET, "/%c0%ae") {
        let is_decoded = events::parsed(&event).kind() == funcify::pipeline::Kind::HttpV2;
        assert_eq!(reached(&event).await.1.is_some(), is_decoded, "{event}");
    }
    for header in ["a\r\nx-admin: 1", "a\nb", "a\0b", "\u{7f}"] {
        for event in every_source(&Method::GET, "/") {
            assert_eq!(refused(&event.header("x-a", header)).await, 400, "{header:?}");
        }
    }
}

#[tokio::test]
async fn a_host_that_is_not_a_uri_is_a_header_like_any_other() {
    let seen = seen(&events::rest_get("/").header("Host", "not a host:::")).await;
    assert!(seen.all("host").contains(&"not a host:::"));
}

#[tokio::test]
async fn a_wrong_type_in_any_member_gets_400() {
    let whole = |name: &str| -> Value {
        let event = match name {
            "rest" => events::rest_post("/?a=b"),
            "http" => events::http_post("/?a=b").header("cookie", "a=1"),
            "alb" => events::alb_multi_value(Method::POST, "/?a=b"),
            "v1" => events::vpc_lattice_v1(Method::POST, "/?a=b"),
            _ => events::vpc_lattice_v2(Method::POST, "/?a=b"),
        };
        events::json(&event.body("b"))
    };
    for (source, members) in [
        ("rest", &["httpMethod", "path", "headers", "multiValueHeaders", "body"][..]),
        ("rest", &["queryStringParameters", "multiValueQueryStringParameters", "isBase64Encoded"]),
        ("http", &["rawPath", "rawQueryString", "headers", "cookies", "body", "isBase64Encoded"]),
        ("alb", &["httpMethod", "path", "multiValueHeaders", "multiValueQueryStringParameters"]),
        ("v1", &["method", "raw_path", "headers", "body", "is_base64_encoded"]),
        ("v2", &["method", "path", "headers", "body", "isBase64Encoded"]),
    ] {
        for member in members {
            for wrong in [json!(7), json!([7]), json!({ "b": 7 }), json!([["a"]])] {
                let mut event = whole(source);
                event[member] = wrong.clone();
                assert_eq!(
                    refused(&TestEvent::from(event)).await,
                    400,
                    "{source} {member} {wrong}"
                );
            }
        }
    }
}

#[tokio::test]
async fn invalid_base64_in_the_body_gets_400() {
    let mut event = events::json(&events::rest_post("/"));
    for body in ["not base64", "aGVsbG8", "aGVsbG8==", "aGVsbG8=\n", "ä"] {
        event["body"] = json!(body);
        event["isBase64Encoded"] = json!(true);
        assert_eq!(refused(&TestEvent::from(event.clone())).await, 400, "{body}");
    }
}

/// The query with these names and values.
fn encoded(query: &[(String, String)]) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pair = |(name, value): &(String, String)| format!("{}={}", encoded(name), encoded(value));
    query.iter().map(pair).collect::<Vec<_>>().join("&")
}

fn pair() -> impl Strategy<Value = (String, String)> {
    ("[a-z][a-z0-9]{0,6}", "\\PC{0,12}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_request_arrives_as_it_was_sent_from_every_source(
        segments in prop::collection::vec("[^/?\\\\%\\pC]{1,8}", 1..4),
        mut query in prop::collection::vec(pair(), 0..4),
        header in "[ -~äöü]{0,20}",
        body in ".{0,40}",
    ) {
        prop_assume!(segments.iter().all(|segment| segment != "." && segment != ".."));
        let path = format!("/{}", segments.join("/"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        // Some sources join the values of repeated names. Other tests check these.
        query.sort();
        query.dedup_by(|one, other| one.0 == other.0);
        for event in every_source(&Method::POST, &format!("{path}?{}", encoded(&query))) {
            let event = event.header("x-any", &header).body(&body);
            let seen = runtime.block_on(seen(&event));
            let decoded = percent_encoding::percent_decode_str(seen.uri().path()).decode_utf8();
            prop_assert_eq!(&*decoded.unwrap(), &path);
            let arrived = url::form_urlencoded::parse(seen.uri().query().unwrap_or("").as_bytes());
            let mut arrived: Vec<_> = arrived.into_owned().collect();
            arrived.sort();
            prop_assert_eq!(&arrived, &query);
            prop_assert_eq!(seen.headers()["x-any"].as_bytes(), header.as_bytes());
            prop_assert_eq!(&seen.body[..], body.as_bytes());
        }
    }
}
