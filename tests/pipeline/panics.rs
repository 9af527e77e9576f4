//! A panic of the user's code is the failure of one record or one request, wherever that code runs.

use axum::{Router, extract::Request, routing::get};
use funcify::{
    pipeline::{InvocationOutcome, Message, Pipeline, Problem, SqsRecord},
    testing::TestEvent,
};
use serde::{Deserialize, Deserializer};
use tower::util::MapRequestLayer;

use crate::support::events;

/// A type that cannot be read from every text.
struct Fragile;

impl<'de> Deserialize<'de> for Fragile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        assert_ne!(String::deserialize(deserializer)?, "panic");
        Ok(Self)
    }
}

async fn on_fragile(_: Message<Fragile>) -> Result<(), Problem> {
    Ok(())
}

#[tokio::test]
async fn a_panic_before_the_handlers_future_fails_only_its_record() {
    let before_the_future = |record: SqsRecord| {
        assert_ne!(record.body, r#""panic""#);
        async { Ok::<(), Problem>(()) }
    };
    let pipeline = Pipeline::builder(())
        .sqs("types", on_fragile)
        .sqs("handlers", before_the_future)
        .build()
        .unwrap();
    for queue in ["types", "handlers"] {
        let event = TestEvent::sqs(queue).record("1", r#""a""#).record("2", r#""panic""#);
        let output = event.record("3", r#""b""#).send(&pipeline).await.unwrap();
        assert_eq!(output.failures(), ["2"], "{queue}");
    }
}

#[tokio::test]
async fn a_layer_that_panics_in_its_call_is_a_500() {
    let layer = MapRequestLayer::new(|request: Request| {
        assert!(!request.headers().contains_key("x-panic"));
        request
    });
    let router = Router::new().route("/ok", get(async || "ok"));
    for pipeline in [
        Pipeline::builder(()).http(router.clone().layer(layer.clone())).build().unwrap(),
        Pipeline::builder(()).http(router).layer(layer).build().unwrap(),
    ] {
        let event = events::rest_get("/ok");
        let processed = pipeline.process(event.clone().header("x-panic", "1").into()).await;
        assert_eq!(processed.outcome, InvocationOutcome::Failed, "{processed:?}");
        assert_eq!(processed.status.unwrap().as_u16(), 500);
        assert_eq!(pipeline.process(event.into()).await.status.unwrap().as_u16(), 200);
    }
}
