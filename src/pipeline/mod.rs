//! From the Lambda event, of whatever source, to a handler, and back to the right answer.
//!
//! [`Pipeline::builder`] says what the function does. What happens to an event, step by step:
//!
//! 1. it is recognised ([`Event`], [`Kind`]), once, by its top-level members;
//! 2. an HTTP event becomes a request that has lost nothing, or is answered 400;
//! 3. [`guard`](PipelineBuilder::guard) and [`params`](PipelineBuilder::params) look at the
//!    [`Invocation`], and may refuse it ([`Problem`]);
//! 4. it is routed: HTTP by the axum router, records by the name of where they come from;
//! 5. the [`policy`](PipelineBuilder::policy) is asked, and who is calling
//!    ([`authenticator`](PipelineBuilder::authenticator)) only if the policy needs to know;
//! 6. the handler runs, no longer than the deadline;
//! 7. the [`Output`] is written in the form of the source.

mod admission;
mod bounded;
mod builder;
pub(crate) mod event;
mod fault;
pub(crate) mod http;
mod invocation;
mod json_lines;
mod log;
mod outcome;
mod output;
mod records;
mod run;
mod service;

pub use crate::{
    json::JsonError,
    problem::{IntoProblem, Problem},
};
pub use builder::PipelineBuilder;
pub use event::{Event, EventError, Kind};
pub use fault::{BuildError, Fault};
pub use http::{
    path::PathError,
    request::RequestError,
    response::HttpOutput,
    streaming::{ByteStream, Streaming},
};
pub use invocation::Invocation;
pub use outcome::{Failure, FailureKind, InvocationOutcome, Processed};
pub use output::Output;
pub use records::{
    DynamoDbRecord, EventBridgeEvent, FromRecord, KinesisRecord, Message, Payload, RecordHandler,
    S3Object, SnsRecord, SqsRecord, Unmatched, Via, via_eventbridge, via_s3, via_sns,
};
pub(crate) use run::log_filter;
pub use run::{RunError, run, run_streaming};
pub use service::Pipeline;
