//! Sends any bytes as an event through a pipeline that has a route for everything.
//!
//! A panic ends the run, even if the pipeline catches it: the handlers cannot panic, so it is a fault of
//! funcify.

#![no_main]

use std::sync::LazyLock;

use axum::{Router, routing::any};
use funcify::{
    Authenticator,
    pipeline::{
        DynamoDbRecord, EventBridgeEvent, Invocation, KinesisRecord, Pipeline, Problem, S3Object,
        SnsRecord, SqsRecord, Unmatched, via,
    },
    testing::TestEvent,
};
use lambda_runtime::LambdaEvent;
use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::{Value, value::RawValue};
use tokio::runtime::{Builder, Runtime};

static EVERYTHING: LazyLock<Pipeline> = LazyLock::new(|| {
    macro_rules! take {
        ($record:ty) => {
            async |_: $record| Ok::<(), Problem>(())
        };
    }
    Pipeline::builder(())
        .http(Router::new().fallback(any(async |body: String| body)))
        .s3("*", take!(S3Object))
        .sqs("*", via::<S3Object, _>(take!(S3Object)))
        .sqs("q*", take!(SqsRecord))
        .sqs("s*", via::<SnsRecord, _>(take!(SnsRecord)))
        .sns("*", take!(SnsRecord))
        .eventbridge("*", take!(EventBridgeEvent))
        .dynamodb_stream("*", take!(DynamoDbRecord))
        .kinesis("*", take!(KinesisRecord))
        .unmatched(take!(Unmatched))
        .authenticator(Authenticator::new().authorizer_claims(&[]))
        .guard(look)
        .build()
        .expect("a pipeline without faults")
});

/// Reads everything of an event.
async fn look(invocation: Invocation) -> Result<Invocation, Problem> {
    let event = invocation.event();
    let _ = (event.kind(), event.http(), event.text().len());
    // Reads what the authorizer of the source says.
    let _ = invocation.caller().await;
    Ok(invocation)
}

thread_local! {
    static RUNTIME: Runtime =
        Builder::new_current_thread().enable_time().build().expect("a runtime");
}

fuzz_target!(|bytes: &[u8]| -> Corpus {
    // Lambda delivers valid JSON. The runtime refuses anything else before it reaches funcify.
    let Ok(event) = serde_json::from_slice::<Box<RawValue>>(bytes) else { return Corpus::Reject };
    RUNTIME.with(|runtime| {
        let context = LambdaEvent::from(&TestEvent::new(Value::Null)).context;
        let processed = runtime.block_on(EVERYTHING.process(LambdaEvent::new(event, context)));
        if let Ok(output) = &processed.result {
            serde_json::to_vec(output).expect("an output is valid JSON");
        }
    });
    Corpus::Keep
});
