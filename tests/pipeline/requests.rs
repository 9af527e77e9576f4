use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{Request, State},
};
use funcify::{
    pipeline::{Pipeline, Processed},
    testing::{self, HttpEvent, TestEvent},
};
use http::{HeaderMap, Method, Uri, request};
use proptest::prelude::{ProptestConfig, Strategy, prop, prop_assert_eq, prop_assume, proptest};
use serde_json::{Value, json};

/// What reached the handler.
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

/// Sends an event to a handler that takes everything.
pub(super) async fn seen(event: &TestEvent) -> Seen {
    let (processed, seen) = reached(event).await;
    assert_eq!(processed.status().unwrap(), 200, "{processed:?}");
    seen.unwrap()
}

/// The same, whether it takes it or not.
pub(super) async fn reached(event: &TestEvent) -> (Processed, Option<Seen>) {
    let slot = Slot::default();
    let router = Router::new().fallback(see);
    let pipeline = Pipeline::builder(Arc::clone(&slot)).http(router).build().unwrap();
    let processed = event.process(&pipeline).await;
    let seen = slot.lock().unwrap().take();
    (processed, seen)
}

/// Sends an event that must not reach the handler, and tells the status.
async fn refused(event: &TestEvent) -> u16 {
    let slot = Slot::default();
    let router = Router::new().fallback(see);
    let pipeline = Pipeline::builder(Arc::clone(&slot)).http(router).build().unwrap();
    let answer = event.send(&pipeline).await.unwrap();
    assert!(slot.lock().unwrap().is_none(), "{} reached the handler", event.json());
    let kind = &answer.http().unwrap().headers()["content-type"];
    assert_eq!(kind, "application/problem+json");
    answer.status().unwrap().as_u16()
}

fn every_source(method: &Method, path: &str) -> Vec<HttpEvent> {
    vec![
        testing::rest_request(method.clone(), path),
        testing::http_v1_payload(method.clone(), path),
        testing::http_request(method.clone(), path),
        testing::function_url(method.clone(), path),
        testing::alb(method.clone(), path),
        testing::alb_multi_value(method.clone(), path),
        testing::vpc_lattice_v1(method.clone(), path),
        testing::vpc_lattice_v2(method.clone(), path),
    ]
}

#[tokio::test]
async fn method_path_query_headers_and_body_arrive_from_every_source() {
    for event in every_source(&Method::PUT, "/orders/a%20b") {
        let event = event
            .header("X-Tenant", "acme")
            .query("q", "a b&c=ü")
            .cookie("a=1")
            .cookie("b=2")
            .body("{\"quote\":\"\\\"\"}\n");
        let seen = seen(&event.build()).await;
        assert_eq!(seen.parts.method, Method::PUT);
        assert_eq!(seen.uri().path(), "/orders/a%20b");
        assert_eq!(seen.uri().query().unwrap().to_lowercase(), "q=a%20b%26c%3d%c3%bc");
        assert_eq!(seen.all("x-tenant"), ["acme"]);
        assert_eq!(seen.all("cookie"), ["a=1; b=2"], "{}", event.json());
        assert_eq!(seen.body, "{\"quote\":\"\\\"\"}\n");
    }
}

#[tokio::test]
async fn repeated_headers_and_parameters_keep_every_value_in_order() {
    for event in [
        testing::rest_get("/"),
        testing::http_v1_payload(Method::GET, "/"),
        testing::alb_multi_value(Method::GET, "/"),
        testing::vpc_lattice_v2(Method::GET, "/"),
    ] {
        let event = event.header("x-a", "1").header("x-a", "2").query("t", "x").query("t", "y");
        let seen = seen(&event.build()).await;
        assert_eq!(seen.all("x-a"), ["1", "2"], "{}", event.json());
        assert_eq!(seen.uri().query(), Some("t=x&t=y"));
    }
}

#[tokio::test]
async fn names_that_stand_only_in_the_single_value_map_are_not_lost() {
    let event = TestEvent::new(json!({
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
        assert_eq!(seen(&event.binary(&bytes).build()).await.body, bytes);
    }
}

#[tokio::test]
async fn a_query_that_came_encoded_is_not_encoded_again() {
    let mut event: Value = serde_json::from_str(&testing::http_get("/").json()).unwrap();
    event["rawQueryString"] = json!("a=%2520&b=+&c=x%20y&d=1&d=2");
    let seen = seen(&TestEvent::new(event)).await;
    assert_eq!(seen.uri().query(), Some("a=%2520&b=+&c=x%20y&d=1&d=2"));
}

#[tokio::test]
async fn the_stage_is_stripped_and_the_raw_path_is_kept() {
    let event = testing::http_get("/orders").stage("prod");
    assert_eq!(seen(&event.build()).await.uri().path(), "/orders");
    assert_eq!(event.event().raw_path().as_deref(), Some("/prod/orders"));
    let event = testing::rest_get("/prod/orders").stage("prod");
    assert_eq!(seen(&event.build()).await.uri().path(), "/prod/orders", "REST paths have no stage");
}

#[tokio::test]
async fn websocket_messages_are_posts_to_their_route_key() {
    for (key, path) in [("$connect", "/$connect"), ("$default", "/$default"), ("send", "/send")] {
        let seen = seen(&testing::websocket(key).body("hello").build()).await;
        assert_eq!((seen.parts.method.as_str(), seen.uri().path()), ("POST", path));
        assert_eq!(seen.body, "hello");
    }
}

#[tokio::test]
async fn what_could_mean_two_things_is_answered_400_by_every_source() {
    for path in ["/%2e%2e/etc", "/a%2Fb", "/a//b", "/a\\b", "/a%00", "/%c0%ae", "/%252e", "a", ""] {
        for event in every_source(&Method::GET, path) {
            assert_eq!(refused(&event.build()).await, 400, "{path}");
        }
    }
    for header in ["a\r\nx-admin: 1", "a\nb", "a\0b", "\u{7f}"] {
        for event in every_source(&Method::GET, "/") {
            assert_eq!(refused(&event.header("x-a", header).build()).await, 400, "{header:?}");
        }
    }
}

#[tokio::test]
async fn a_host_that_is_no_uri_is_a_header_like_any_other() {
    let seen = seen(&testing::rest_get("/").header("Host", "not a host:::").build()).await;
    assert!(seen.all("host").contains(&"not a host:::"));
}

#[tokio::test]
async fn wrong_types_in_any_field_are_answered_400() {
    let whole = |name: &str| -> Value {
        let event = match name {
            "rest" => testing::rest_post("/"),
            "http" => testing::http_post("/").cookie("a=1"),
            "alb" => testing::alb_multi_value(Method::POST, "/"),
            "v1" => testing::vpc_lattice_v1(Method::POST, "/"),
            _ => testing::vpc_lattice_v2(Method::POST, "/"),
        };
        serde_json::from_str(&event.body("b").query("a", "b").json()).unwrap()
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
                assert_eq!(refused(&TestEvent::new(event)).await, 400, "{source} {member} {wrong}");
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_the_base64_it_claims_to_be_is_answered_400() {
    let mut event: Value = serde_json::from_str(&testing::rest_post("/").json()).unwrap();
    for body in ["not base64", "aGVsbG8", "aGVsbG8==", "aGVsbG8=\n", "ä"] {
        event["body"] = json!(body);
        event["isBase64Encoded"] = json!(true);
        assert_eq!(refused(&TestEvent::new(event.clone())).await, 400, "{body}");
    }
}

fn pair() -> impl Strategy<Value = (String, String)> {
    ("[a-z][a-z0-9]{0,6}", "\\PC{0,12}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_request_arrives_as_it_was_sent_by_whatever_source(
        segments in prop::collection::vec("[^/?\\\\%\\pC]{1,8}", 1..4),
        query in prop::collection::vec(pair(), 0..4),
        header in "[ -~äöü]{0,20}",
        body in ".{0,40}",
    ) {
        prop_assume!(segments.iter().all(|segment| segment != "." && segment != ".."));
        let path = format!("/{}", segments.join("/"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        for event in every_source(&Method::POST, &path) {
            let event = event.header("x-any", &header).body(&body);
            // A name that comes twice is joined by some sources; those are looked at elsewhere.
            let mut query = query.clone();
            query.sort();
            query.dedup_by(|one, other| one.0 == other.0);
            let event = query.iter().fold(event, |event, (name, value)| event.query(name, value));
            let seen = runtime.block_on(seen(&event.build()));
            let decoded = percent_encoding::percent_decode_str(seen.uri().path()).decode_utf8();
            prop_assert_eq!(&*decoded.unwrap(), &path);
            let arrived = url::form_urlencoded::parse(seen.uri().query().unwrap_or("").as_bytes());
            let mut arrived: Vec<_> = arrived.into_owned().collect();
            arrived.sort();
            prop_assert_eq!(arrived, query);
            prop_assert_eq!(seen.headers()["x-any"].as_bytes(), header.as_bytes());
            prop_assert_eq!(&seen.body[..], body.as_bytes());
        }
    }
}
