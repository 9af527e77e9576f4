//! Events for tests: a builder a source, which a pipeline takes as it takes Lambda's.
//!
//! # Examples
//!
//! ```
//! use axum::{Router, extract::Path, routing::get};
//! use funcify::{pipeline::Pipeline, testing};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let order = async |Path(id): Path<u32>| format!("order {id}");
//! let pipeline = Pipeline::builder(()).http(Router::new().route("/orders/{id}", get(order))).build()?;
//!
//! let answer = testing::rest_get("/orders/7").send(&pipeline).await?;
//! assert_eq!(answer.status().unwrap(), 200);
//! assert_eq!(answer.http().unwrap().body(), "order 7");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod http;
mod records;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, value::to_raw_value};

use crate::pipeline::{Event, Failure, Output, Pipeline, Processed};

pub use self::http::{
    HttpEvent, alb, alb_multi_value, authorizer, function_url, http_get, http_post, http_request,
    http_v1_payload, rest_get, rest_post, rest_request, vpc_lattice_v1, vpc_lattice_v2, websocket,
};
pub use self::records::{
    SqsEvent, StreamEvent, dynamodb_stream, eventbridge, kinesis, s3, s3_put, s3_test_event, sns,
    sqs,
};

/// An event that is complete.
#[derive(Clone, Debug)]
pub struct TestEvent(Value);

impl TestEvent {
    /// An event of any shape.
    #[must_use]
    pub fn new(json: Value) -> Self {
        Self(json)
    }

    /// The event as text.
    #[must_use]
    pub fn json(&self) -> String {
        self.0.to_string()
    }

    /// The event, recognised.
    ///
    /// # Panics
    ///
    /// If it is deeper or larger than an event may be.
    #[must_use]
    pub fn event(&self) -> Event {
        #[expect(clippy::expect_used, reason = "a test fails where its event is none")]
        Event::parse(&self.json()).expect("an event within the limits")
    }

    /// Sends it through `pipeline`, with half a minute to its deadline.
    ///
    /// # Errors
    ///
    /// As the function fails on Lambda.
    pub async fn send(&self, pipeline: &Pipeline) -> Result<Output, Failure> {
        self.process(pipeline).await.result
    }

    /// Sends it through `pipeline` and tells what became of it.
    pub async fn process(&self, pipeline: &Pipeline) -> Processed {
        self.process_within(pipeline, Duration::from_secs(30)).await
    }

    /// The same, with `left` until Lambda ends the invocation.
    pub async fn process_within(&self, pipeline: &Pipeline, left: Duration) -> Processed {
        // A `Value` is JSON: this cannot fail.
        let text = to_raw_value(&self.0).unwrap_or_default();
        pipeline.process(LambdaEvent::new(text, context(left))).await
    }
}

/// The context of an invocation that Lambda ends in `left`.
#[must_use]
pub fn context(left: Duration) -> Context {
    let ends = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + left;
    let mut context = Context::default();
    context.request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned();
    context.invoked_function_arn =
        "arn:aws:lambda:eu-west-1:123456789012:function:example".to_owned();
    context.deadline = u64::try_from(ends.as_millis()).unwrap_or(u64::MAX);
    context
}

/// Lets every builder do what a complete event does.
macro_rules! sendable {
    ($($builder:ty),+) => {$(
        impl $builder {
            /// The event as text.
            #[must_use]
            pub fn json(&self) -> String {
                self.build().json()
            }

            /// The event, recognised.
            #[must_use]
            pub fn event(&self) -> Event {
                self.build().event()
            }

            /// Sends it through `pipeline`, with half a minute to its deadline.
            ///
            /// # Errors
            ///
            /// As the function fails on Lambda.
            pub async fn send(&self, pipeline: &Pipeline) -> Result<Output, Failure> {
                self.build().send(pipeline).await
            }

            /// Sends it through `pipeline` and tells what became of it.
            pub async fn process(&self, pipeline: &Pipeline) -> Processed {
                self.build().process(pipeline).await
            }

            /// The same, with `left` until Lambda ends the invocation.
            pub async fn process_within(&self, pipeline: &Pipeline, left: Duration) -> Processed {
                self.build().process_within(pipeline, left).await
            }
        }
    )+};
}

sendable!(HttpEvent, SqsEvent, StreamEvent);
