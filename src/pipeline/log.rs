//! One line at the start and one at the end of each event.

use std::time::Instant;

use lambda_runtime::Context;
use tracing::Span;

use crate::pipeline::{InvocationOutcome, Kind, Processed};

/// The span of an invocation: what is logged within it carries its request id.
pub(super) fn span(context: &Context) -> Span {
    tracing::info_span!(
        target: "funcify",
        "invocation",
        request_id = context.request_id,
        xray_trace_id = context.xray_trace_id,
    )
}

/// What both lines know.
pub(super) struct Line {
    started: Instant,
    cold_start: bool,
}

impl Line {
    pub(super) fn begin(cold_start: bool) -> Self {
        Self { started: Instant::now(), cold_start }
    }

    pub(super) fn start(&self, kind: Kind) {
        tracing::info!(
            target: "funcify",
            kind = kind.as_str(),
            cold_start = self.cold_start,
            "start"
        );
    }

    pub(super) fn end(&self, processed: &Processed) {
        // Within the macro, so that neither is asked where nobody listens.
        let duration_ms = || self.started.elapsed().as_secs_f64() * 1_000.0;
        let status = || processed.status().map(|status| status.as_u16());
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    target: "funcify",
                    kind = processed.kind.as_str(),
                    route = processed.route.as_deref(),
                    outcome = processed.outcome.as_str(),
                    status = status(),
                    duration_ms = duration_ms(),
                    cold_start = self.cold_start,
                    error = processed.cause.as_deref(),
                    "end"
                )
            };
        }
        match processed.outcome {
            InvocationOutcome::Failed => line!(error),
            InvocationOutcome::Unmatched => line!(warn),
            InvocationOutcome::Handled | InvocationOutcome::Refused => line!(info),
        }
    }
}
