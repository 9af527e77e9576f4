//! Takes events of every source to your handlers, and their results back to the source.
//!
//! You describe the function with [`Pipeline::builder`], and run it with [`run`](crate::run()).
//!
//! [All pages]: https://docs.rs/funcify
//! [Idempotency]: crate::idempotency
//! [Local work]: crate::local
//! [Testing a function]: crate::testing
//!
#![doc = include_str!("../../docs/pipeline.md")]

mod bounded;
mod builder;
mod ended;
pub(crate) mod event;
mod guards;
pub(crate) mod http;
mod init_error;
mod invocation;
pub(crate) mod log;
mod metrics;
mod outcome;
mod output;
mod records;
mod rules;
pub(crate) mod run;
mod service;
mod xray;

pub use crate::problem::{IntoProblem, Problem};
pub use builder::PipelineBuilder;
pub use event::{Event, kind::Kind};
pub use http::context::RequestContext;
pub use invocation::Invocation;
pub use outcome::{InvocationError, InvocationErrorKind, InvocationOutcome, Processed};
pub use output::Output;
pub use records::*;
pub use service::Pipeline;
