//! CORS preflights: a browser sends them without a token, so no code that needs a caller may run for them.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::Request,
    handler::HandlerWithoutStateExt,
    middleware::{Next, from_fn},
    routing::{any, get, options},
};
use funcify::{
    auth::{AccessPolicy, Authenticator, Caller, Unauthenticated},
    pipeline::{Pipeline, PipelineBuilder},
    testing::TestEvent,
};
use http::{HeaderValue, Method, header};
use tower_http::cors::CorsLayer;

use crate::support::events;

/// The handlers, services and fallbacks that ran.
#[derive(Clone, Default)]
pub(super) struct Ran(Arc<Mutex<Vec<&'static str>>>);

impl Ran {
    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn note(&self, name: &'static str) {
        self.0.lock().unwrap().push(name);
    }
}

/// A router with code of the user in every place where a router takes code.
pub(super) fn router(ran: &Ran) -> Router {
    let code = |name| {
        let ran = ran.clone();
        async move || ran.note(name)
    };
    let by_router = ran.clone();
    let inner_layer = from_fn(move |request: Request, next: Next| {
        by_router.note("a layer of the router");
        next.run(request)
    });
    let nested = Router::new().route("/x", any(code("nested"))).fallback(code("nested fallback"));
    let opaque =
        Router::new().route("/{id}", any(code("opaque"))).fallback(code("opaque fallback"));
    Router::new()
        .route("/options", options(code("options")))
        .route("/both", get(code("get")).options(code("options")))
        .route("/any", any(code("any")))
        .route("/get", get(code("get")))
        .route("/get-or-else", get(code("get")).fallback(code("else")))
        .route_service("/service", code("service").into_service())
        .nest("/nested", nested)
        .nest_service("/opaque", opaque)
        .fallback(code("fallback"))
        .layer(inner_layer)
}

/// The paths of the router, with the status that an `OPTIONS` request without a token gets.
const PATHS: [(&str, u16); 15] = [
    ("/options", 401),
    ("/both", 401),
    ("/any", 401),
    ("/service", 401),
    ("/nested/x", 401),
    ("/opaque/7", 401),
    ("/get", 403),
    ("/get-or-else", 403),
    ("/opaque", 403),
    ("/opaque/", 403),
    ("/opaque/7/8", 403),
    ("/nested", 404),
    ("/nested/nowhere", 404),
    ("/nowhere", 404),
    ("/", 404),
];

fn policy() -> AccessPolicy {
    let listed = PATHS.iter().filter(|(_, status)| *status == 401);
    let listed = listed.map(|(path, _)| path.replace('7', "{id}"));
    let policy = AccessPolicy::new().allow(Method::GET, "/get", "orders:order:list");
    listed.fold(policy, |policy, path| policy.allow(Method::OPTIONS, &path, "orders:order:ask"))
}

fn guarded(ran: &Ran) -> PipelineBuilder<()> {
    let authenticator = Authenticator::from_fn(async |authorization: Option<String>, _| {
        let _ = authorization.ok_or(Unauthenticated::Missing)?;
        let mut caller = Caller::new("alice");
        caller.permissions = vec!["orders:order:ask".to_owned()];
        Ok(caller)
    });
    Pipeline::builder(()).http(router(ran)).authenticator(authenticator).policy(policy())
}

fn preflight(path: &str) -> TestEvent {
    events::http_request(Method::OPTIONS, path)
        .header("origin", "https://shop.example.com")
        .header("access-control-request-method", "GET")
}

/// Whether no code runs for a preflight of any path.
pub(super) async fn runs_no_code(pipeline: &Pipeline, ran: &Ran) -> bool {
    for (path, _) in PATHS {
        preflight(path).send(pipeline).await.unwrap();
    }
    ran.take().is_empty()
}

#[tokio::test]
async fn a_preflight_runs_no_code_and_gets_the_status_of_every_other_request() {
    let ran = Ran::default();
    let pipeline = guarded(&ran).build().unwrap();
    assert!(runs_no_code(&pipeline, &ran).await);
    for (path, status) in PATHS {
        for event in [preflight(path), events::http_request(Method::OPTIONS, path)] {
            let output = event.send(&pipeline).await.unwrap();
            assert_eq!(output.http().unwrap().status(), status, "{path}");
        }
        assert_eq!(ran.take(), [""; 0], "{path}");
        let with_token = preflight(path).header("authorization", "Bearer alice");
        let output = with_token.send(&pipeline).await.unwrap();
        let expected = if status == 401 { 200 } else { status };
        assert_eq!(output.http().unwrap().status(), expected, "{path}");
        assert_eq!(ran.take().len(), if status == 401 { 2 } else { 0 }, "{path}");
    }
}

#[tokio::test]
async fn a_cors_layer_around_the_policy_answers_every_preflight_and_no_code_runs() {
    let ran = Ran::default();
    let origin = HeaderValue::from_static("https://shop.example.com");
    let cors = CorsLayer::new().allow_origin(origin.clone()).allow_methods([Method::GET]);
    let pipeline = guarded(&ran).layer(cors).build().unwrap();
    for (path, _) in PATHS {
        let output = preflight(path).send(&pipeline).await.unwrap();
        let response = output.http().unwrap();
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], origin, "{path}");
        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_METHODS], "GET", "{path}");
    }
    assert_eq!(ran.take(), [""; 0]);
    // The policy judges the request after the preflight. The browser may read why it was refused.
    for (path, status) in [("/get", 401), ("/any", 403), ("/nowhere", 404)] {
        let event = events::http_get(path).header("origin", "https://shop.example.com");
        let output = event.send(&pipeline).await.unwrap();
        let response = output.http().unwrap();
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], origin, "{path}");
        assert_eq!(ran.take(), [""; 0], "{path}");
    }
}

#[tokio::test]
async fn layers_are_around_the_policy_and_a_later_one_is_outside() {
    let ran = Ran::default();
    let layer = |name| {
        let ran = ran.clone();
        from_fn(move |request: Request, next: Next| {
            ran.note(name);
            next.run(request)
        })
    };
    let pipeline = guarded(&ran).layer(layer("inside")).layer(layer("outside")).build().unwrap();
    for (path, ran_after) in [("/get", &[][..]), ("/nowhere", &[])] {
        events::http_get(path).send(&pipeline).await.unwrap();
        assert_eq!(ran.take(), [&["outside", "inside"], ran_after].concat(), "{path}");
    }
    let asked = preflight("/any").header("authorization", "Bearer alice");
    asked.send(&pipeline).await.unwrap();
    assert_eq!(ran.take(), ["outside", "inside", "a layer of the router", "any"]);
    // Without a policy and without routes there is nothing to be around but the fallback.
    let empty = Pipeline::builder(()).http(Router::new()).layer(layer("empty")).build().unwrap();
    let output = events::http_get("/").send(&empty).await.unwrap();
    assert_eq!((output.http().unwrap().status().as_u16(), ran.take()), (404, vec!["empty"]));
}
