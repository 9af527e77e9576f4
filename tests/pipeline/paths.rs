//! Paths of clients, for every source: the policy and the router agree on the route, and the extractors of
//! the handler return what the client encoded, decoded once.

use std::collections::BTreeMap;

use axum::{
    Json, Router,
    extract::{MatchedPath, Path},
    routing::get,
};
use funcify::{
    AccessPolicy, Authenticator, Pipeline, auth::Unauthenticated, pipeline::Kind,
    testing::TestEvent,
};
use http::Method;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::support::env;

const SOURCES: [Kind; 7] = [
    Kind::RestV1,
    Kind::HttpV1Payload,
    Kind::HttpV2,
    Kind::FunctionUrl,
    Kind::Alb,
    Kind::VpcLatticeV1,
    Kind::VpcLatticeV2,
];

type Parameters = BTreeMap<String, String>;

fn pipeline() -> Pipeline {
    let echo = async |route: MatchedPath, Path(parameters): Path<Parameters>| {
        Json(json!([route.as_str(), parameters]))
    };
    let router = ROUTES.iter().fold(Router::new(), |router, route| router.route(route, get(echo)));
    let policy = AccessPolicy::new().allow(Method::GET, "/admin/{*rest}", "shop:admin:read");
    let public = ROUTES.iter().filter(|route| !route.starts_with("/admin"));
    let policy = public.fold(policy, |policy, route| policy.public(Method::GET, route));
    let nobody = Authenticator::from_fn(async |_, _| Err(Unauthenticated::Missing));
    Pipeline::builder(()).http(router).authenticator(nobody).policy(policy).build().unwrap()
}

const ROUTES: [&str; 5] = [
    "/admin/{*rest}",
    "/items/{id}",
    "/items/{id}/parts/{part}",
    "/files/{*path}",
    "/{tenant}/about",
];

/// The segments that a client means, and the path that it sends.
struct Sent {
    segments: Vec<String>,
    path: String,
}

/// The answer that these segments must get: a 400, the 401 of the protected route, a 404, or the route with
/// its parameters.
fn expected(segments: &[String]) -> (u16, Value) {
    let is_dots =
        |segment: &String| segment.split(['/', '\\']).any(|part| part == "." || part == "..");
    if segments.iter().any(|segment| is_dots(segment) || segment.contains(char::is_control)) {
        return (400, Value::Null);
    }
    let texts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let tail = || segments[1..].join("/");
    match texts[..] {
        ["admin", _, ..] if !tail().is_empty() => (401, Value::Null),
        ["items", id] if !id.is_empty() => (200, json!(["/items/{id}", { "id": id }])),
        // axum accepts an empty segment as the value of a parameter, but not at the end of a path.
        ["items", id, "parts", part] if !part.is_empty() => {
            (200, json!(["/items/{id}/parts/{part}", { "id": id, "part": part }]))
        }
        ["files", _, ..] if !tail().is_empty() => {
            (200, json!(["/files/{*path}", { "path": tail() }]))
        }
        [tenant, "about"] if !tenant.is_empty() => {
            (200, json!(["/{tenant}/about", { "tenant": tenant }]))
        }
        _ => (404, Value::Null),
    }
}

/// A small generator of random numbers. The seed determines which paths are sent.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most as u64).unwrap()
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn sent(&mut self) -> Sent {
        const WORDS: [&str; 8] =
            ["admin", "items", "files", "about", "parts", "%61dmin", "..", "a b"];
        const LETTERS: [char; 16] =
            ['a', 'd', '2', '5', 'F', '%', '/', '\\', '.', ' ', '?', '#', '+', 'ü', ';', '\u{7f}'];
        let first = self.of(&WORDS[..6]);
        let mut segments = vec![first.to_owned()];
        for _ in 0..self.below(4) {
            let segment = match self.below(3) {
                0 => self.of(&WORDS).to_owned(),
                1 => String::new(),
                _ => (0..=self.below(6)).map(|_| self.of(&LETTERS)).collect(),
            };
            segments.push(segment);
        }
        let encoded: Vec<String> = segments.iter().map(|segment| self.encoded(segment)).collect();
        Sent { path: format!("/{}", encoded.join("/")), segments }
    }

    /// Encodes a segment as RFC 3986 requires, and sometimes other characters too.
    fn encoded(&mut self, segment: &str) -> String {
        let mut encoded = String::new();
        for character in segment.chars() {
            let must = !character.is_ascii_alphanumeric() && !".;+".contains(character);
            if must || self.below(5) == 0 {
                for byte in character.to_string().bytes() {
                    encoded.push_str(&format!("%{byte:02X}"));
                }
            } else {
                encoded.push(character);
            }
        }
        encoded
    }
}

/// The segments of a path after an HTTP API has decoded it: an encoded slash has become a separator.
fn decoded_by_the_gateway(path: &str) -> Vec<String> {
    let decoded = percent_decode_str(path).decode_utf8().unwrap().into_owned();
    decoded[1..].split('/').map(str::to_owned).collect()
}

/// The first of `count` paths that gets another answer than it must.
async fn disagreement(
    kind: Kind,
    count: usize,
    change: impl Fn(TestEvent) -> TestEvent,
) -> Option<String> {
    let pipeline = pipeline();
    let mut chance = Chance(env::seed() | 1);
    for _ in 0..count {
        let Sent { segments, path } = chance.sent();
        let segments = match kind {
            Kind::HttpV2 => decoded_by_the_gateway(&path),
            _ => segments,
        };
        let event = change(TestEvent::http(kind, Method::GET, &path));
        let output = event.send(&pipeline).await.unwrap();
        let response = output.http().unwrap();
        let status = response.status().as_u16();
        let body = match status {
            200 => serde_json::from_slice(response.body()).unwrap(),
            _ => Value::Null,
        };
        let expected = expected(&segments);
        if (status, &body) != (expected.0, &expected.1) {
            return Some(format!("{kind} {path}: {status} {body} instead of {expected:?}"));
        }
    }
    None
}

#[tokio::test]
async fn policy_and_router_agree_and_every_parameter_is_what_the_client_encoded_once() {
    let count = env::scaled(20_000);
    for kind in SOURCES {
        assert_eq!(disagreement(kind, count, |event| event).await, None);
        println!("{kind}: {count} paths");
    }
}

/// Mutant: decodes the path in the event a second time.
fn decoded_again(member: &'static str) -> impl Fn(TestEvent) -> TestEvent {
    move |event| {
        let mut event: Value = serde_json::from_str(&event.to_string()).unwrap();
        let path = event[member].as_str().unwrap();
        event[member] = percent_decode_str(path).decode_utf8_lossy().into_owned().into();
        TestEvent::from(event)
    }
}

#[tokio::test]
async fn a_path_that_is_decoded_twice_is_caught() {
    assert!(disagreement(Kind::HttpV2, 2_000, decoded_again("rawPath")).await.is_some());
    assert!(disagreement(Kind::RestV1, 2_000, decoded_again("path")).await.is_some());
}

/// The status for this path of an HTTP API whose route is `$default`.
async fn status(raw_path: &str) -> u16 {
    let mut event: Value = serde_json::from_str(&TestEvent::get("/").to_string()).unwrap();
    event["rawPath"] = raw_path.into();
    let output = TestEvent::from(event).send(&pipeline()).await.unwrap();
    output.http().unwrap().status().as_u16()
}

#[tokio::test]
async fn a_name_that_is_encoded_in_the_path_of_an_http_api_is_no_other_name() {
    assert_eq!(status("/admin/keys").await, 401);
    // The client sent `/%2561dmin/keys`, and the gateway decoded it once.
    assert_eq!(status("/%61dmin/keys").await, 404);
    for (raw_path, parameter) in
        [("/items/100%25", "100%25"), ("/items/50%ab", "50%ab"), ("/items/a%2Fb", "a%2Fb")]
    {
        let mut event: Value = serde_json::from_str(&TestEvent::get("/").to_string()).unwrap();
        event["rawPath"] = raw_path.into();
        let output = TestEvent::from(event).send(&pipeline()).await.unwrap();
        let body: Value = serde_json::from_slice(output.http().unwrap().body()).unwrap();
        assert_eq!(body, json!(["/items/{id}", { "id": parameter }]));
    }
}

/// A path that a nested service could take for another path by decoding it is refused.
#[tokio::test]
async fn no_hidden_slash_reaches_a_nested_service_behind_a_policy() {
    let inner = Router::new().fallback(async || "inside");
    let router = Router::new().nest_service("/files", inner);
    let policy = AccessPolicy::new().public(Method::GET, "/files/{name}").allow(
        Method::GET,
        "/files/admin/{*rest}",
        "shop:admin:read",
    );
    let nobody = Authenticator::from_fn(async |_, _| Err(Unauthenticated::Missing));
    let pipeline =
        Pipeline::builder(()).http(router).authenticator(nobody).policy(policy).build().unwrap();
    for (path, status) in [
        ("/files/a", 200),
        ("/files/admin/a", 401),
        ("/files/admin%2Fa", 400),
        ("/files/admin%5Ca", 400),
        ("/files//admin/a", 400),
    ] {
        let event = TestEvent::http(Kind::RestV1, Method::GET, path);
        let output = event.send(&pipeline).await.unwrap();
        assert_eq!(output.http().unwrap().status().as_u16(), status, "{path}");
    }
}

async fn path_of(event: Value, base_path: Option<&str>) -> String {
    let router = Router::new().fallback(async |uri: http::Uri| uri.path().to_owned());
    let builder = Pipeline::builder(()).http(router);
    let builder = match base_path {
        Some(base_path) => builder.base_path(base_path),
        None => builder,
    };
    let output = TestEvent::from(event).send(&builder.build().unwrap()).await.unwrap();
    String::from_utf8(output.http().unwrap().body().to_vec()).unwrap()
}

#[tokio::test]
async fn the_base_path_of_a_custom_domain_is_removed_where_the_event_shows_it() {
    for (kind, domain, path, resource, parameters, expected) in [
        (
            Kind::RestV1,
            "api.example.com",
            "/shop/orders/7",
            "/orders/{id}",
            json!({ "id": "7" }),
            "/orders/7",
        ),
        (
            Kind::RestV1,
            "api.example.com",
            "/shop/orders",
            "/{proxy+}",
            json!({ "proxy": "orders" }),
            "/orders",
        ),
        (
            Kind::RestV1,
            "x.execute-api.eu-west-1.amazonaws.com",
            "/shop/orders",
            "/{proxy+}",
            json!({ "proxy": "orders" }),
            "/shop/orders",
        ),
        (
            Kind::HttpV1Payload,
            "api.example.com",
            "/v1/pay/a%20b",
            "/pay/{id}",
            json!({ "id": "a b" }),
            "/pay/a%20b",
        ),
        (
            Kind::HttpV1Payload,
            "x.execute-api.eu-west-1.amazonaws.com",
            "/prod/pay/7",
            "/pay/{id}",
            json!({ "id": "7" }),
            "/pay/7",
        ),
    ] {
        let mut event: Value =
            serde_json::from_str(&TestEvent::http(kind, Method::GET, path).to_string()).unwrap();
        event["resource"] = resource.into();
        event["pathParameters"] = parameters;
        event["requestContext"]["stage"] = "prod".into();
        event["requestContext"]["domainName"] = domain.into();
        assert_eq!(path_of(event, None).await, expected, "{kind} {domain} {path}");
    }
}

#[tokio::test]
async fn a_base_path_that_no_event_shows_is_removed_as_configured() {
    let event = |path: &str| serde_json::from_str(&TestEvent::get(path).to_string()).unwrap();
    assert_eq!(path_of(event("/shop/orders"), Some("/shop")).await, "/orders");
    assert_eq!(path_of(event("/shop"), Some("/shop")).await, "/");
    assert_eq!(path_of(event("/shopping"), Some("/shop")).await, "/shopping");
    for malformed in ["", "/", "shop"] {
        let built = Pipeline::builder(()).base_path(malformed).build();
        assert!(built.unwrap_err().to_string().contains("expected a base path"), "{malformed}");
    }
}
