//! The faults of a pipeline are reported before it runs. A rule that silently does nothing is a security
//! hole.

use axum::{Router, routing::get};
use funcify::{
    AccessPolicy, Api, Authenticator, Invocation, Stores,
    pipeline::{
        EventBridgeEvent, InvocationOutcome, Pipeline, PipelineBuilder, Problem, S3Object,
        SqsRecord,
    },
};
use http::Method;

use crate::support::events;

async fn on_message(_: SqsRecord) -> Result<(), Problem> {
    Ok(())
}

async fn on_object(_: S3Object) -> Result<(), Problem> {
    Ok(())
}

async fn on_event(_: EventBridgeEvent) -> Result<(), Problem> {
    Ok(())
}

fn built(builder: PipelineBuilder<()>) -> String {
    builder.build().map_or_else(|error| error.to_string(), |_| "built".to_owned())
}

#[tokio::test]
async fn a_second_setting_that_would_replace_the_first_is_a_fault() {
    let stores = Stores::from_url("memory:").await.unwrap();
    let authenticator =
        || Authenticator::from_fn(async |_, _| Err(funcify::auth::Unauthenticated::Missing));
    let router = || Router::new().route("/", get(async || ""));
    let twice = Pipeline::builder(())
        .http(router())
        .http(router())
        .authenticator(authenticator())
        .authenticator(authenticator())
        .policy(AccessPolicy::new())
        .policy(AccessPolicy::new())
        .stores(stores.clone())
        .stores(stores)
        .s3_route_key(|object| object.key.clone())
        .s3_route_key(|object| object.key.clone());
    let error = twice.build().unwrap_err();
    let error = error.to_string();
    assert_eq!(error.matches(" is set twice, and a pipeline has only one").count(), 5, "{error}");
    assert_eq!(error.split("; ").count(), 5, "{error}");
    assert!(error.contains("`policy` is set twice"), "{error}");
}

#[test]
fn a_policy_that_restricts_no_route_is_a_fault() {
    let arn = "arn:aws:sqs:eu-west-1:123456789012:orders";
    let policy = |name: &str| AccessPolicy::new().allow_source(name, arn);
    let orders = || Pipeline::builder(()).sqs("orders*", on_message);
    assert_eq!(built(orders().policy(policy("orders*"))), "built");
    for typo in ["order", "orders", "orders-eu"] {
        let message = built(orders().policy(policy(typo)));
        assert!(
            message
                .contains(&format!("the policy restricts the sources of {typo:?}, but no route")),
            "{message}"
        );
    }
    let bus = Pipeline::builder(()).eventbridge("Order Placed", on_event);
    assert!(
        built(bus.policy(policy("Order Placed")))
            .contains("no route of s3, sqs, sns, kinesis or dynamodb_stream")
    );
}

#[test]
fn a_name_that_no_source_can_have_is_a_fault() {
    let arn = "arn:aws:sqs:eu-west-1:123456789012:orders";
    for name in ["", arn, "a*b", "**"] {
        let message = built(Pipeline::builder(()).sqs(name, on_message));
        assert!(message.contains(&format!("got {name:?}")), "{message}");
    }
    assert!(built(Pipeline::builder(()).s3("files:dev", on_object)).contains("files:dev"));
    let named = Pipeline::builder(()).s3("files:dev", on_object).s3_route_key(|o| o.bucket.clone());
    assert_eq!(built(named), "built");
    assert_eq!(built(Pipeline::builder(()).s3("files.dev", on_object)), "built");
    assert_eq!(built(Pipeline::builder(()).sqs("orders-*", on_message)), "built");
    assert_eq!(built(Pipeline::builder(()).eventbridge("a: b", on_event)), "built");
}

#[test]
fn a_layer_around_nothing_is_a_fault() {
    let cors = tower_http::cors::CorsLayer::permissive;
    let fault = "`.layer(…)` needs a router to wrap: add `.http(router)`";
    assert!(built(Pipeline::builder(()).layer(cors())).contains(fault));
    assert_eq!(built(Pipeline::builder(()).layer(cors()).http(Router::new())), "built");
}

#[test]
fn a_malformed_permission_is_reported_with_the_expected_form() {
    let policy = AccessPolicy::new().allow(Method::GET, "/", "a:b");
    let message = built(Pipeline::builder(()).policy(policy));
    assert!(message.contains("the policy of GET /: expected service:resource:action"), "{message}");
}

#[tokio::test]
async fn a_guard_that_fails_has_not_refused_and_its_cause_can_be_read() {
    async fn broken(_: Invocation) -> Result<Invocation, Problem> {
        Err(std::io::Error::other("no such table"))?
    }
    let router = Router::new().route("/", get(async || ""));
    let pipeline = Pipeline::builder(()).http(router).guard(broken).build().unwrap();
    let processed = pipeline.process(events::rest_get("/").into()).await;
    assert_eq!(processed.outcome, InvocationOutcome::Failed);
    assert!(processed.cause.unwrap().contains("no such table"));
}

#[tokio::test]
async fn an_unreachable_service_is_a_502_and_a_late_one_a_504() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url =
        |listener: &std::net::TcpListener| format!("http://{}", listener.local_addr().unwrap());
    let (gone, late) = (url(&closed), url(&silent));
    drop(closed);
    for (url, status) in [(gone, 502), (late, 504)] {
        let api = Api::new("warehouse", &url).unwrap();
        let api = api.timeout(std::time::Duration::from_millis(50));
        let call = move || {
            let api = api.clone();
            async move { Ok::<_, Problem>(axum::Json(api.get::<serde_json::Value>("/").await?)) }
        };
        let router = Router::new().route("/", get(call));
        let pipeline = Pipeline::builder(()).http(router).build().unwrap();
        let output = events::rest_get("/").send(&pipeline).await.unwrap();
        assert_eq!(output.http().unwrap().status(), status);
    }
}
