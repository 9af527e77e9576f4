//! Deliberately broken variants: what they get wrong is what the tests beside them look at.

use axum::{Router, body::Body, extract::Request, routing::any};
use funcify::{pipeline::Pipeline, testing};
use http::{HeaderMap, Method};
use serde_json::Value;

/// Whether every value of a repeated header arrives, in order.
fn keeps_repeated_headers(headers: &HeaderMap) -> bool {
    headers.get_all("x-a").iter().map(|value| value.to_str().unwrap()).eq(["1", "2"])
}

#[tokio::test]
async fn a_reader_of_the_single_value_map_loses_repeated_headers_and_is_caught() {
    let event = testing::rest_get("/").header("x-a", "1").header("x-a", "2");
    let seen = super::requests::seen(&event.build()).await;
    assert!(keeps_repeated_headers(&seen.parts.headers));

    let json: Value = serde_json::from_str(&event.json()).unwrap();
    let mut lossy = HeaderMap::new();
    for (name, value) in json["headers"].as_object().unwrap() {
        let name: http::HeaderName = name.parse().unwrap();
        lossy.insert(name, value.as_str().unwrap().parse().unwrap());
    }
    assert!(!keeps_repeated_headers(&lossy));
}

/// Whether an escape from `/public` can be had by writing its path in some other way.
fn escapes(router_sees: impl Fn(&str) -> Option<String>) -> bool {
    let attempts = ["/public/%2e%2e/admin", "/public/..%2fadmin", "/public/%252e%252e/admin"];
    attempts.iter().any(|attempt| router_sees(attempt).is_some_and(|path| path.contains("..")))
}

#[tokio::test]
async fn a_path_that_is_decoded_before_it_is_split_escapes_and_is_caught() {
    let ours = |path: &str| {
        let event = testing::rest_get(path).event();
        event.path().map(|path| path.into_owned())
    };
    assert!(!escapes(ours));

    let decode =
        |path: &str| percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned();
    assert!(escapes(|path| Some(decode(path))));
    assert!(escapes(|path| Some(decode(&decode(path)))));
}

/// Whether everything that an authorizer is asked stays away from the router.
async fn keeps_authorizers_away(looks_like_a_request: impl Fn(&Value) -> bool) -> bool {
    let event = testing::authorizer(&Method::GET, "/admin");
    let json: Value = serde_json::from_str(&event.json()).unwrap();
    !looks_like_a_request(&json)
}

#[tokio::test]
async fn a_reader_that_goes_by_method_and_path_takes_authorizers_for_requests_and_is_caught() {
    let ours =
        |json: &Value| funcify::pipeline::Event::parse(&json.to_string()).unwrap().kind().is_http();
    assert!(keeps_authorizers_away(ours).await);
    let by_shape = |json: &Value| json.get("httpMethod").is_some() && json.get("path").is_some();
    assert!(!keeps_authorizers_away(by_shape).await);
}

/// Whether a request that a policy does not list stays unanswered.
async fn refuses_what_is_not_listed(pipeline: &Pipeline) -> bool {
    let answer = testing::http_get("/unlisted").send(pipeline).await.unwrap();
    answer.status().unwrap() == 403
}

#[tokio::test]
async fn a_policy_that_only_looks_at_what_it_lists_lets_the_rest_in_and_is_caught() {
    use funcify::auth::{AccessPolicy, Authenticator, Caller, Unauthenticated};

    let router = || Router::new().route("/unlisted", any(async || "in"));
    let authenticator =
        Authenticator::from_fn(async |_, _| Err::<Caller, _>(Unauthenticated::Missing));
    let ours = Pipeline::builder(())
        .http(router())
        .authenticator(authenticator)
        .policy(AccessPolicy::new());
    assert!(refuses_what_is_not_listed(&ours.build().unwrap()).await);

    let lenient = router().layer(axum::middleware::map_request(async |request: Request<Body>| {
        let listed = ["/orders"].contains(&request.uri().path());
        if listed { Err(http::StatusCode::UNAUTHORIZED) } else { Ok(request) }
    }));
    let mutant = Pipeline::builder(()).http(lenient).build().unwrap();
    assert!(!refuses_what_is_not_listed(&mutant).await);
}
