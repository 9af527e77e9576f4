use std::sync::Arc;

use crate::pipeline::event::kind::Kind;
use crate::pipeline::http::response::HttpOutput;
use crate::pipeline::outcome::{
    InvocationError, InvocationErrorKind, InvocationOutcome, Processed,
};
use crate::pipeline::output::Output;
use crate::problem::{Cause, Problem};

/// How the work on an event ended, before its kind and route are added.
pub(super) struct Ended {
    pub(super) outcome: InvocationOutcome,
    pub(super) result: Result<Output, InvocationError>,
    pub(super) cause: Option<Arc<str>>,
}

impl Ended {
    pub(super) fn handled(output: Output) -> Self {
        Self { outcome: InvocationOutcome::Handled, result: Ok(output), cause: None }
    }

    pub(super) fn failed(error: InvocationError, cause: Option<Arc<str>>) -> Self {
        let outcome = match error.kind {
            InvocationErrorKind::NoMatchingRoute => InvocationOutcome::Unmatched,
            InvocationErrorKind::Refused => InvocationOutcome::Refused,
            _ => InvocationOutcome::Failed,
        };
        Self { outcome, result: Err(error), cause }
    }

    pub(super) fn problem(problem: &Problem) -> Self {
        Self::failed(InvocationError::of(problem), problem.cause())
    }

    pub(super) fn http(output: Box<HttpOutput>, cause: Cause, is_routed: bool) -> Self {
        let status = output.response().status();
        let outcome = match status.as_u16() {
            _ if cause.refused => InvocationOutcome::Refused,
            401 | 403 => InvocationOutcome::Refused,
            404 if !is_routed => InvocationOutcome::Unmatched,
            _ if status.is_server_error() => InvocationOutcome::Failed,
            _ => InvocationOutcome::Handled,
        };
        Self { outcome, result: Ok(Output::of_http(output)), cause: cause.text }
    }

    pub(super) fn of(self, kind: Kind, route: Option<Arc<str>>) -> Processed {
        let Self { outcome, result, cause } = self;
        let http = result.as_ref().ok().and_then(Output::http);
        let status = http.map(http::Response::status);
        Processed { kind, route, outcome, status, result, cause }
    }
}
