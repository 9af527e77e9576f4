//! Nested services choose their routes themselves. The policy must judge the same path as the service.

use axum::{Router, extract::Request, routing::any};
use funcify::{
    auth::{AccessPolicy, Authenticator, Caller, Unauthenticated},
    pipeline::{InvocationOutcome, Pipeline},
    testing::TestEvent,
};
use http::Method;

use crate::support::events;

/// The bearer token is the permission of the caller.
fn authenticator() -> Authenticator {
    Authenticator::from_fn(async |authorization: Option<String>, _| {
        let authorization = authorization.ok_or(Unauthenticated::Missing)?;
        let mut caller = Caller::new("alice");
        caller.permissions = vec![authorization.trim_start_matches("Bearer ").to_owned()];
        Ok(caller)
    })
}

fn pipeline(router: Router, policy: AccessPolicy) -> Pipeline {
    let builder = Pipeline::builder(()).http(router).authenticator(authenticator());
    builder.policy(policy).build().unwrap()
}

fn with(permission: &str, method: Method, path: &str) -> TestEvent {
    let event = events::http_request(method, path);
    event.header("authorization", &format!("Bearer {permission}"))
}

#[tokio::test]
async fn a_nested_service_is_reached_by_a_caller_with_the_permission_of_its_path() {
    let echo = async |request: Request| request.uri().path().to_owned();
    let router = Router::new().nest_service("/files", Router::new().fallback(echo));
    let policy = AccessPolicy::new()
        .allow(Method::GET, "/files/{name}", "files:file:read")
        .allow(Method::GET, "/files/{name}/meta", "files:meta:read")
        .allow(Method::PUT, "/files/{name}", "files:file:write")
        .public(Method::GET, "/files/public/{*rest}")
        .allow(Method::GET, "/files", "files:file:list");
    let pipeline = pipeline(router, policy);
    let (get, put) = (Method::GET, Method::PUT);
    for (permission, method, path, status, route) in [
        ("files:file:read", &get, "/files/a", 200, Some("/files/{name}")),
        ("files:file:read", &Method::HEAD, "/files/a", 200, Some("/files/{name}")),
        ("files:file:read", &get, "/files/a%20b", 200, Some("/files/{name}")),
        ("files:file:read", &put, "/files/a", 403, Some("/files/{name}")),
        ("files:file:write", &put, "/files/a", 200, Some("/files/{name}")),
        ("files:file:read", &get, "/files/a/meta", 403, Some("/files/{name}/meta")),
        ("files:meta:read", &get, "/files/a/meta", 200, Some("/files/{name}/meta")),
        ("none", &get, "/files/public/a/b", 200, Some("/files/public/{*rest}")),
        ("none", &get, "/files/a", 403, Some("/files/{name}")),
        ("files:**", &Method::POST, "/files/a", 403, Some("/files/{name}")),
        ("files:**", &get, "/files/a/", 403, None),
        ("files:**", &get, "/files/a/b/c", 403, None),
        ("files:file:list", &get, "/files", 200, Some("/files")),
        ("files:**", &get, "/files/", 403, Some("/files/")),
        ("files:**", &get, "/files/public/..%2fa", 400, None),
        ("files:**", &get, "/filesystem", 404, None),
    ] {
        let event = with(permission, method.clone(), path);
        let processed = pipeline.process(event.into()).await;
        let case = format!("{permission} {method} {path}");
        assert_eq!(processed.status.unwrap(), status, "{case}");
        assert_eq!(processed.route.as_deref(), route, "{case}");
        let output = processed.result.unwrap();
        let body = output.http().unwrap().body().clone();
        let seen = path.strip_prefix("/files").filter(|seen| !seen.is_empty()).unwrap_or("/");
        assert!(status != 200 || *method == Method::HEAD || body == seen, "{case}");
    }
    let nobody = pipeline.process(events::http_get("/files/a").into()).await;
    assert_eq!(nobody.outcome, InvocationOutcome::Refused);
    assert_eq!(nobody.status.unwrap(), 401);
}

/// axum refuses a router with a parameter and a wildcard in one place.
const ROUTERS: [&[&str]; 2] = [
    &["/a", "/a/b", "/a/{*rest}", "/{x}", "/{x}/b", "/{x}/{y}/c"],
    &["/a", "/a/b", "/a/{y}", "/b/{y}/c", "/{*rest}"],
];

const PATHS: [&str; 16] = [
    "/a", "/b", "/a/", "/a/b", "/a/c", "/b/b", "/b/c", "/a/b/", "/a/b/c", "/b/c/c", "/b/c/d",
    "/a/b/c/d", "/%61", "/a%20b", "/{x}", "/",
];

/// Which route answers each path, and with which permission. `nest` nests the service.
async fn answers(
    nest: fn(Router, Router) -> Router,
    routes: &[&'static str],
) -> Vec<(u16, String)> {
    let add = |router: Router, route: &&'static str| {
        let route = *route;
        router.route(route, any(async move || route))
    };
    let inner = routes.iter().fold(Router::new(), add);
    let permission = |index: usize| format!("route:r{index}:call");
    let policy = routes.iter().enumerate().fold(AccessPolicy::new(), |policy, (index, route)| {
        policy.allow(Method::GET, &format!("/nested{route}"), &permission(index))
    });
    let pipeline = pipeline(nest(Router::new(), inner), policy);
    let mut answers = Vec::new();
    for path in PATHS {
        for index in 0..routes.len() {
            let event = with(&permission(index), Method::GET, &format!("/nested{path}"));
            let output = event.send(&pipeline).await.unwrap();
            let response = output.http().unwrap();
            let body = String::from_utf8(response.body().to_vec()).unwrap();
            let body = if response.status() == 200 { body } else { String::new() };
            answers.push((response.status().as_u16(), body));
        }
    }
    answers
}

/// Every set of routes, nested as a router and as a service. For a router, axum says which route it matched.
#[tokio::test]
async fn the_policy_matches_a_path_as_the_router_does() {
    let mut allowed = 0;
    let choices = ROUTERS.iter().flat_map(|all| (1_u32..1 << all.len()).map(move |it| (*all, it)));
    for (all, choice) in choices {
        let chosen =
            |(index, route): (usize, &&'static str)| (choice & (1 << index) != 0).then_some(*route);
        let routes: Vec<&str> = all.iter().enumerate().filter_map(chosen).collect();
        let by_axum = answers(|router, inner| router.nest("/nested", inner), &routes).await;
        let by_policy =
            answers(|router, inner| router.nest_service("/nested", inner), &routes).await;
        for (at, (one, other)) in by_axum.iter().zip(&by_policy).enumerate() {
            let path = PATHS[at / routes.len()];
            // A path without a route is a 404 of the router, and a 403 for a service because it is not
            // listed.
            let is_same = one == other || (one.0, other.0) == (404, 403);
            assert!(is_same, "{routes:?} {path}: {one:?} {other:?}");
            allowed += u32::from(one.0 == 200);
        }
    }
    assert!(allowed > 500, "{allowed}");
}
