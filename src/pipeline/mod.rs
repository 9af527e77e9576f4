//! Takes an event of any source to a handler, and the handler's result back to the source.
//!
//! You describe the function with [`Pipeline::builder`]. An event passes these steps:
//!
//! 1. The event is recognised by its top-level members ([`Event`], [`Kind`]).
//! 2. An HTTP event becomes an HTTP request. An event that makes no valid request is answered with 400.
//! 3. Each [`guard`](PipelineBuilder::guard) sees the [`Invocation`], in the order in which you added
//!    them. It can refuse the event with a [`Problem`], and attach values for the handlers.
//! 4. The event is routed: HTTP requests by the axum router, records by the name of their source.
//! 5. The [`policy`](PipelineBuilder::policy) decides. The
//!    [`authenticator`](PipelineBuilder::authenticator) identifies the caller only if the policy or a
//!    handler needs to know it.
//! 6. The handler runs, at most until the deadline.
//! 7. The [`Output`] is written in the response format of the source.
//!
//! # Handlers
//!
//! HTTP handlers are axum's. A handler of records is a function
//!
//! ```text
//! async fn([State<App>,] [Invocation,] record) -> Result<(), E>
//! ```
//!
//! The record comes last. It is the record of the source ([`SqsRecord`], [`S3Object`], …) or, for SQS,
//! SNS and Kinesis, a [`Message`] whose body is JSON. `App` is the type that was given to
//! [`Pipeline::builder`]. `E` is a [`Problem`] or an error that becomes one.

mod bounded;
mod builder;
mod ended;
pub(crate) mod event;
pub(crate) mod http;
mod invocation;
pub(crate) mod log;
mod outcome;
mod output;
mod records;
mod rules;
pub(crate) mod run;
mod service;
mod xray;

pub use crate::problem::{IntoProblem, Problem};
pub use builder::{PipelineBuilder, error::BuildError};
pub use event::{Event, kind::Kind};
pub use invocation::Invocation;
pub use outcome::{InvocationError, InvocationErrorKind, InvocationOutcome, Processed};
pub use output::Output;
pub use records::{
    dynamodb::DynamoDbRecord,
    eventbridge::EventBridgeEvent,
    kinesis::KinesisRecord,
    message::Message,
    route::{Route, route},
    s3::S3Object,
    sns::SnsRecord,
    sqs::SqsRecord,
    unmatched::Unmatched,
    via::via,
};
pub use run::RunError;
pub use service::Pipeline;
