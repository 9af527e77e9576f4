//! Mutants: deliberately broken variants. The same checks pass for funcify and fail for them.

use axum::{Router, body::Body, extract::Request, routing::any};
use funcify::pipeline::{Event, Kind, Pipeline};
use http::{HeaderMap, Method};
use serde_json::Value;

use crate::support::events;

/// Whether every value of a repeated header arrives, in order.
fn keeps_repeated_headers(headers: &HeaderMap) -> bool {
    headers.get_all("x-a").iter().map(|value| value.to_str().unwrap()).eq(["1", "2"])
}

#[tokio::test]
async fn a_conversion_from_the_single_value_map_loses_repeated_headers_and_is_caught() {
    let event = events::rest_get("/").header("x-a", "1").header("x-a", "2");
    let seen = super::requests::seen(&event).await;
    assert!(keeps_repeated_headers(&seen.parts.headers));

    let json = events::json(&event);
    let mut lossy = HeaderMap::new();
    for (name, value) in json["headers"].as_object().unwrap() {
        let name: http::HeaderName = name.parse().unwrap();
        lossy.insert(name, value.as_str().unwrap().parse().unwrap());
    }
    assert!(!keeps_repeated_headers(&lossy));
}

/// Whether another spelling of a path escapes from `/public`.
fn escapes(router_sees: impl Fn(&str) -> Option<String>) -> bool {
    let attempts = ["/public/%2e%2e/admin", "/public/..%2fadmin", "/public/%252e%252e/admin"];
    attempts.iter().any(|attempt| router_sees(attempt).is_some_and(|path| path.contains("..")))
}

#[tokio::test]
async fn a_path_that_is_decoded_before_it_is_split_escapes_and_is_caught() {
    let ours = |path: &str| {
        let event = events::parsed(&events::rest_get(path));
        let path = event.http()?.uri().path().to_owned();
        Some(percent_encoding::percent_decode_str(&path).decode_utf8().unwrap().into_owned())
    };
    assert!(!escapes(ours));

    let decode =
        |path: &str| percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned();
    assert!(escapes(|path| Some(decode(path))));
    assert!(escapes(|path| Some(decode(&decode(path)))));
}

/// Whether the event of a Lambda authorizer does not get to the router.
async fn keeps_authorizers_away(looks_like_a_request: impl Fn(&Value) -> bool) -> bool {
    let event = events::authorizer(&Method::GET, "/admin");
    let json = events::json(&event);
    !looks_like_a_request(&json)
}

#[tokio::test]
async fn a_recogniser_by_method_and_path_takes_authorizers_for_requests_and_is_caught() {
    let ours = |json: &Value| json.to_string().parse::<Event>().unwrap().kind() != Kind::Authorizer;
    assert!(keeps_authorizers_away(ours).await);
    let by_shape = |json: &Value| json.get("httpMethod").is_some() && json.get("path").is_some();
    assert!(!keeps_authorizers_away(by_shape).await);
}

/// Whether a request that the policy does not list is refused.
async fn refuses_what_is_not_listed(pipeline: &Pipeline) -> bool {
    let output = events::http_get("/unlisted").send(pipeline).await.unwrap();
    output.http().unwrap().status() == 403
}

#[tokio::test]
async fn a_policy_that_checks_only_listed_routes_lets_the_rest_in_and_is_caught() {
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

#[tokio::test]
async fn a_policy_that_exempts_preflights_runs_the_code_behind_it_and_is_caught() {
    use super::preflight::{Ran, router, runs_no_code};

    let ran = Ran::default();
    let exempting = axum::middleware::map_request(async |request: Request<Body>| {
        let is_preflight = request.method() == Method::OPTIONS
            && request.headers().contains_key("origin")
            && request.headers().contains_key("access-control-request-method");
        if is_preflight { Ok(request) } else { Err(http::StatusCode::UNAUTHORIZED) }
    });
    let mutant = Pipeline::builder(()).http(router(&ran).layer(exempting)).build().unwrap();
    assert!(!runs_no_code(&mutant, &ran).await);
}

/// Whether the path of a client is kept: with payload 1.0 and a custom domain no stage precedes the path, so
/// nothing may be removed from it.
async fn keeps_client_paths(path_of: impl Fn(&Value) -> String) -> bool {
    let mut event = events::json(&events::http_v1_payload(Method::GET, "/prod/admin"));
    event["resource"] = "$default".into();
    event["requestContext"]["stage"] = "prod".into();
    event["requestContext"]["domainName"] = "api.example.com".into();
    path_of(&event) == "/prod/admin"
}

#[tokio::test]
async fn a_stage_that_is_removed_from_every_path_makes_aliases_and_is_caught() {
    let ours = |event: &Value| {
        let event = event.to_string().parse::<Event>().unwrap();
        event.http().unwrap().uri().path().to_owned()
    };
    assert!(keeps_client_paths(ours).await);
    let by_first_segment = |event: &Value| {
        let stage = format!("/{}/", event["requestContext"]["stage"].as_str().unwrap());
        let path = event["path"].as_str().unwrap();
        path.strip_prefix(&stage).map_or(path.to_owned(), |rest| format!("/{rest}"))
    };
    assert!(!keeps_client_paths(by_first_segment).await);
}

/// Whether an event with two statements about the caller is refused.
fn refuses_two_callers(reads: impl Fn(&str) -> bool) -> bool {
    let statement = |user: &str| format!(r#""authorizer":{{"principalId":"{user}"}}"#);
    let (alice, admin) = (statement("alice"), statement("admin"));
    let rest = r#""httpMethod":"GET","path":"/""#;
    let one = format!(r#"{{{rest},"requestContext":{{{alice}}}}}"#);
    let two = [
        format!(r#"{{{rest},"requestContext":{{{alice},{admin}}}}}"#),
        format!(r#"{{{rest},"requestContext":{{{alice}}},"requestContext":{{{admin}}}}}"#),
        format!(r#"{{{rest},"requestContext":{{"authorizer":null,{admin}}}}}"#),
        format!(r#"{{{rest},"requestContext":null,"requestContext":{{{admin}}}}}"#),
    ];
    reads(&one) && two.iter().all(|text| !reads(text))
}

#[test]
fn a_parser_that_takes_the_last_of_two_authorizers_is_caught() {
    assert!(refuses_two_callers(|text| text.parse::<Event>().is_ok()));
    assert!(!refuses_two_callers(|text| serde_json::from_str::<Value>(text).is_ok()));
}
