use std::{fmt, sync::Arc};

use http::StatusCode;
use lambda_runtime::Diagnostic;

use crate::pipeline::{Kind, Output};
use crate::problem::Problem;

/// What became of an event, with what is worth knowing about it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Processed {
    /// What sent the event.
    pub kind: Kind,
    /// The route that was taken: the router's path, the route's name; several with commas between them,
    /// where the records of one event took several.
    pub route: Option<Arc<str>>,
    /// How it ended.
    pub outcome: InvocationOutcome,
    /// What Lambda is told.
    pub result: Result<Output, Failure>,
    /// Why it failed, for the log.
    pub(super) cause: Option<Arc<str>>,
}

impl Processed {
    /// Why it failed, causes included: what the log says, and the caller is not told.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The status of the answer, where there is HTTP.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.result.as_ref().ok().and_then(Output::status)
    }
}

/// How the work on an event ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvocationOutcome {
    /// A handler did what was asked.
    Handled,
    /// Nothing was tried: guard, params, a missing right, an open circuit.
    Refused,
    /// No route takes it.
    Unmatched,
    /// It failed, or a part of it.
    Failed,
}

impl InvocationOutcome {
    /// The name that logs and commands show.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Handled => "handled",
            Self::Refused => "refused",
            Self::Unmatched => "unmatched",
            Self::Failed => "failed",
        }
    }

    /// The outcome of what ended in `problem`.
    pub(super) fn of(problem: &Problem) -> Self {
        match problem.status().as_u16() {
            _ if problem.is_refusal() => Self::Refused,
            401 | 403 => Self::Refused,
            _ => Self::Failed,
        }
    }
}

impl fmt::Display for InvocationOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An invocation failed: Lambda, or the source, tries it again as it is configured to.
///
/// It carries what may be shown to whoever invoked the function; causes go into the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    kind: FailureKind,
    message: String,
}

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// The event is none that can be read.
    BadEvent,
    /// No route takes it.
    NoMatchingRoute,
    /// Guard, params or policy refused it.
    Refused,
    /// A handler failed.
    HandlerFailed,
    /// Records of a batch failed.
    RecordsFailed,
}

impl Failure {
    pub(super) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(super) fn of(problem: &Problem) -> Self {
        let kind = match InvocationOutcome::of(problem) {
            InvocationOutcome::Refused => FailureKind::Refused,
            _ => FailureKind::HandlerFailed,
        };
        let reason = problem.status().canonical_reason().unwrap_or("failed");
        Self::new(kind, problem.detail_text().unwrap_or(reason))
    }

    /// What kind of failure it was.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.kind
    }
}

impl FailureKind {
    /// The error type that Lambda shows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadEvent => "BAD_EVENT",
            Self::NoMatchingRoute => "NO_MATCHING_ROUTE",
            Self::Refused => "REFUSED",
            Self::HandlerFailed => "HANDLER_FAILED",
            Self::RecordsFailed => "RECORDS_FAILED",
        }
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.kind.as_str().to_owned(), error_message: failure.message }
    }
}
