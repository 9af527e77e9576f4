//! What is wrong with a pipeline is said before it runs: a rule that silently does nothing is a hole.

use axum::{Router, routing::get};
use funcify::{
    AccessPolicy, Api, Authenticator, Invocation, Stores,
    pipeline::{
        EventBridgeEvent, InvocationOutcome, Pipeline, PipelineBuilder, Problem, S3Object,
        SqsRecord,
    },
    testing,
};
use http::Method;

async fn on_message(_: SqsRecord) -> Result<(), Problem> {
    Ok(())
}

async fn on_object(_: S3Object) -> Result<(), Problem> {
    Ok(())
}

async fn on_event(_: EventBridgeEvent) -> Result<(), Problem> {
    Ok(())
}

async fn pass(invocation: Invocation) -> Result<Invocation, Problem> {
    Ok(invocation)
}

fn said(builder: PipelineBuilder<()>) -> String {
    builder.build().map_or_else(|error| error.to_string(), |_| "built".to_owned())
}

#[tokio::test]
async fn what_would_silently_replace_the_first_is_a_fault() {
    let stores = Stores::from_url("memory:").await.unwrap();
    let authenticator =
        || Authenticator::from_fn(async |_, _| Err(funcify::auth::Unauthenticated::Missing));
    let router = || Router::new().route("/", get(async || ""));
    let twice = Pipeline::builder(())
        .guard(pass)
        .guard(pass)
        .params(pass)
        .params(pass)
        .http(router())
        .http(router())
        .authenticator(authenticator())
        .authenticator(authenticator())
        .policy(AccessPolicy::new())
        .policy(AccessPolicy::new())
        .backend(stores.clone())
        .backend(stores)
        .s3_route_key(|object| object.key.clone())
        .s3_route_key(|object| object.key.clone());
    let error = twice.build().unwrap_err();
    assert_eq!(error.faults().len(), 7, "{error}");
    assert!(error.to_string().contains("`guard` was given twice: only one can be in force"));
}

#[test]
fn a_policy_that_restricts_no_route_is_a_fault() {
    let arn = "arn:aws:sqs:eu-west-1:123456789012:orders";
    let policy = |name: &str| AccessPolicy::new().allow_source(name, arn);
    let orders = || Pipeline::builder(()).sqs("orders*", on_message);
    assert_eq!(said(orders().policy(policy("orders*"))), "built");
    for typo in ["order", "orders", "orders-eu"] {
        let said = said(orders().policy(policy(typo)));
        assert!(said.contains(&format!("the policy names sources for {typo:?}")), "{said}");
    }
    let bus = Pipeline::builder(()).eventbridge("Order Placed", on_event);
    assert!(said(bus.policy(policy("Order Placed"))).contains("expected a route of s3"));
}

#[test]
fn a_name_that_nothing_can_have_is_a_fault() {
    let arn = "arn:aws:sqs:eu-west-1:123456789012:orders";
    for name in ["", arn, "a*b", "**"] {
        let said = said(Pipeline::builder(()).sqs(name, on_message));
        assert!(said.contains(&format!("got {name:?}")), "{said}");
    }
    assert!(said(Pipeline::builder(()).s3("files.dev", on_object)).contains("files.dev"));
    let named = Pipeline::builder(()).s3("files.dev", on_object).s3_route_key(|o| o.bucket.clone());
    assert_eq!(said(named), "built");
    assert_eq!(said(Pipeline::builder(()).sqs("orders-*", on_message)), "built");
    assert_eq!(said(Pipeline::builder(()).eventbridge("a: b", on_event)), "built");
}

#[test]
fn an_activity_is_told_what_was_expected_of_it() {
    let policy = AccessPolicy::new().allow(Method::GET, "/", "a:b");
    let said = said(Pipeline::builder(()).policy(policy));
    assert!(said.contains("the policy of GET /: expected service:resource:action"), "{said}");
}

#[tokio::test]
async fn what_fails_in_a_guard_is_a_failure_and_its_cause_can_be_read() {
    async fn broken(_: Invocation) -> Result<Invocation, Problem> {
        Err(std::io::Error::other("no such table"))?
    }
    let router = Router::new().route("/", get(async || ""));
    let pipeline = Pipeline::builder(()).http(router).guard(broken).build().unwrap();
    let processed = testing::rest_get("/").process(&pipeline).await;
    assert_eq!(processed.outcome, InvocationOutcome::Failed);
    assert!(processed.cause().unwrap().contains("no such table"));
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_a_502_and_one_that_is_late_a_504() {
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
        let answer = testing::rest_get("/").send(&pipeline).await.unwrap();
        assert_eq!(answer.status().unwrap(), status);
    }
}
