use std::{fmt, sync::Arc};

use http::StatusCode;
use lambda_runtime::Diagnostic;

use crate::pipeline::event::kind::Kind;
use crate::pipeline::output::Output;
use crate::problem::Problem;

/// The result of processing an event.
///
/// # Examples
///
/// ```
/// use funcify::{pipeline::{InvocationOutcome, Kind, Pipeline}, testing::TestEvent};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let pipeline = Pipeline::builder(()).build()?;
/// let processed = pipeline.process(TestEvent::s3("uploads", "a.txt").into()).await;
/// assert_eq!(processed.kind, Kind::S3);
/// assert_eq!(processed.outcome, InvocationOutcome::Unmatched);
/// assert!(processed.result.is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Processed {
    /// The kind of the source.
    pub kind: Kind,
    /// The route: the path in the router, or the name of a record route. If the records of one event took
    /// several routes, their names with commas between them. `None` if no route was found.
    pub route: Option<Arc<str>>,
    /// How the processing ended.
    pub outcome: InvocationOutcome,
    /// The HTTP status. `None` if the event was not HTTP.
    pub status: Option<StatusCode>,
    /// What Lambda gets.
    pub result: Result<Output, InvocationError>,
    /// Why it failed, with all causes. The log shows this text. The client never sees it.
    pub cause: Option<Arc<str>>,
}

/// How the processing of an event ended. `Display` writes the name that logs show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvocationOutcome {
    /// A handler ran and succeeded.
    Handled,
    /// The event was refused: by a guard, because credentials or a permission are missing, because the
    /// request is malformed, or because a circuit is open.
    Refused,
    /// No route takes the event.
    Unmatched,
    /// The event failed, or at least one of its records did.
    Failed,
}

impl InvocationOutcome {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Handled => "handled",
            Self::Refused => "refused",
            Self::Unmatched => "unmatched",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for InvocationOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The error of a failed invocation. Lambda or the source retries it as configured.
///
/// It contains only what the invoker of the function may see. The log has the causes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct InvocationError {
    /// What failed.
    pub kind: InvocationErrorKind,
    /// A sentence about the failure, for the invoker.
    pub message: String,
}

/// What failed in an invocation. `Display` writes the error type that Lambda shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvocationErrorKind {
    /// The event is malformed: `BAD_EVENT`.
    BadEvent,
    /// No route takes the event: `NO_MATCHING_ROUTE`.
    NoMatchingRoute,
    /// A guard or the policy refused the event: `REFUSED`.
    Refused,
    /// A handler failed: `HANDLER_FAILED`.
    HandlerFailed,
    /// Records of a batch failed: `RECORDS_FAILED`.
    RecordsFailed,
}

impl InvocationError {
    pub(super) fn new(kind: InvocationErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(super) fn of(problem: &Problem) -> Self {
        let is_refusal = problem.is_refusal() || matches!(problem.status().as_u16(), 401 | 403);
        let kind = match is_refusal {
            true => InvocationErrorKind::Refused,
            false => InvocationErrorKind::HandlerFailed,
        };
        let reason = problem.status().canonical_reason().unwrap_or("failed");
        Self::new(kind, problem.detail_text().unwrap_or(reason))
    }
}

impl fmt::Display for InvocationErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::BadEvent => "BAD_EVENT",
            Self::NoMatchingRoute => "NO_MATCHING_ROUTE",
            Self::Refused => "REFUSED",
            Self::HandlerFailed => "HANDLER_FAILED",
            Self::RecordsFailed => "RECORDS_FAILED",
        })
    }
}

impl From<InvocationError> for Diagnostic {
    fn from(error: InvocationError) -> Self {
        Self { error_type: error.kind.to_string(), error_message: error.message }
    }
}
