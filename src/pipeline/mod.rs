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
//!    ([`pip`](PipelineBuilder::pip)) only if the policy needs to know;
//! 6. the handler runs, no longer than the deadline;
//! 7. the [`Answer`] is written in the form of the source.

mod admission;
mod answer;
mod bad_json;
mod batch;
mod builder;
mod delivery;
mod event;
mod fault;
mod form;
mod handler;
mod header;
mod invocation;
mod json_lines;
mod kind;
mod log;
mod outcome;
mod parsed;
mod path;
pub mod pip;
pub mod policy;
mod problem;
mod query;
mod quoted;
mod reader;
mod recognise;
mod records;
mod request;
mod response;
mod routes;
mod run;
mod service;
mod streaming;
mod text;
mod unescape;
mod walk;
mod within;

pub use answer::Answer;
pub use bad_json::BadJson;
pub use builder::PipelineBuilder;
pub use event::{Event, EventError};
pub use fault::{BuildError, Fault};
pub use handler::{FromRecord, RecordHandler};
pub use invocation::Invocation;
pub use kind::Kind;
pub use outcome::{Failure, FailureKind, Outcome, Processed};
pub use path::BadPath;
pub use problem::{IntoProblem, Problem};
pub use records::{
    DynamoDbRecord, EventBridgeEvent, KinesisRecord, Message, Payload, S3Object, SnsRecord,
    SqsRecord, Unmatched, Via, via_eventbridge, via_s3, via_sns,
};
pub use request::BadRequest;
pub use response::HttpAnswer;
pub(crate) use run::log_filter;
pub use run::{RunError, run, run_streaming};
pub use service::Pipeline;
pub use streaming::{ByteStream, Streaming};
