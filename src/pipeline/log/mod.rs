//! The log of a function: one line when an event starts, and one when it ends.

mod filter;
pub(crate) mod lines;

use std::sync::Arc;

use lambda_runtime::Context;
use metrics::IntoF64;
use tokio::time::Instant;
use tracing::Span;
use tracing_subscriber::{
    Registry,
    layer::{Layered, SubscriberExt},
    registry,
};

use crate::pipeline::event::kind::Kind;
use crate::pipeline::log::filter::{Configured, WithoutSecrets};
use crate::pipeline::metrics::PipelineSeries;
use crate::pipeline::outcome::{InvocationOutcome, Processed};
use crate::problem::Problem;
use crate::trace::TraceContext;

/// The span of an invocation, which gives every log line in it the request id. It has the highest level, so
/// that it is there for lines of every level.
pub(super) fn span(context: &Context) -> Span {
    tracing::error_span!(
        target: "funcify",
        "invocation",
        request_id = context.request_id,
        tenant_id = context.tenant_id,
        xray_trace_id = context.xray_trace_id,
    )
}

/// Writes the line of a record that failed. A record without an identifier has its position in the batch
/// instead, from 0.
pub(super) fn failed_record(id: &str, index: usize, route: Option<&str>, problem: &Problem) {
    let id = Some(id).filter(|id| !id.is_empty());
    let index = if id.is_none() { Some(index) } else { None };
    let error = problem.to_string();
    tracing::warn!(target: "funcify", record = id, index, route, error, "record failed");
}

/// What is needed to log the end of an event.
pub(super) struct Ending {
    pub(super) span: Span,
    pub(super) lines: Lines,
    /// The trace of a response that is streamed. Boxed, because most responses are not.
    pub(super) trace: Option<Box<TraceContext>>,
    pub(super) series: Arc<PipelineSeries>,
    /// `None` if no metrics are written to the log.
    pub(super) request_id: Option<String>,
}

impl Ending {
    /// Logs the end of the event, counts it, and writes the metrics that changed.
    pub(super) fn end(&self, processed: &Processed) {
        let Lines { started, cold_start } = &self.lines;
        self.span.in_scope(|| self.lines.end(processed));
        self.series.invocation(processed, Since(*started), *cold_start);
        if let Some(request_id) = &self.request_id {
            crate::metrics::write(request_id);
        }
    }
}

/// The two lines of an event.
pub(super) struct Lines {
    pub(super) started: Instant,
    pub(super) cold_start: bool,
}

impl Lines {
    pub(super) fn start(&self, kind: Kind) {
        tracing::info!(
            target: "funcify",
            kind = kind.as_str(),
            cold_start = self.cold_start,
            "start"
        );
    }

    fn end(&self, processed: &Processed) {
        // These closures are called only in the macro, so that nothing is computed if the line is not logged.
        let duration_ms = || Since(self.started).into_f64();
        let status = || processed.status.map(|status| status.as_u16());
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

/// The milliseconds since then. The clock is read only for somebody who records them.
struct Since(Instant);

impl IntoF64 for Since {
    fn into_f64(self) -> f64 {
        self.0.elapsed().as_secs_f64() * 1_000.0
    }
}

/// A subscriber without a writer. `AWS_LAMBDA_LOG_LEVEL` is the level of its lines, by default INFO, and
/// `RUST_LOG` refines it by level and target (`info,funcify=debug`). Lines that may show a secret are left
/// out, whatever these variables say.
///
/// Filters by span or field are not supported, because they would add a regex engine to every function.
pub(crate) fn subscriber() -> Layered<WithoutSecrets, Layered<Configured, Registry>> {
    registry().with(Configured::from_env()).with(WithoutSecrets::from_env())
}
