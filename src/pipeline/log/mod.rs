//! The log of a function: one line when an event starts, and one when it ends.

pub(crate) mod json_lines;
mod secrets;

use std::{env, time::Instant};

use lambda_runtime::Context;
use tracing::{Span, level_filters::LevelFilter};
use tracing_subscriber::{
    Registry,
    filter::Targets,
    layer::{Layered, SubscriberExt},
    registry,
};

use crate::pipeline::event::kind::Kind;
use crate::pipeline::log::secrets::WithoutSecrets;
use crate::pipeline::outcome::{InvocationOutcome, Processed};

/// The span of an invocation. Every log line in it has the request id.
pub(super) fn span(context: &Context) -> Span {
    tracing::info_span!(
        target: "funcify",
        "invocation",
        request_id = context.request_id,
        xray_trace_id = context.xray_trace_id,
    )
}

/// The two lines of an event.
pub(super) struct Lines {
    started: Instant,
    cold_start: bool,
}

impl Lines {
    pub(super) fn new(cold_start: bool) -> Self {
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
        // Called in the macro only, so that nothing is computed if nobody listens.
        let duration_ms = || self.started.elapsed().as_secs_f64() * 1_000.0;
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

/// A subscriber without a writer: `RUST_LOG` filters its lines, by level and target
/// (`info,funcify=debug`), and the default is `info`. Lines that may show a secret are left out, whatever
/// `RUST_LOG` says.
///
/// Filters by span or field are not supported: they would bring a regex engine into every function.
pub(crate) fn subscriber() -> Layered<WithoutSecrets, Layered<Targets, Registry>> {
    let configured = env::var("RUST_LOG").ok().and_then(|filter| filter.parse().ok());
    let configured = configured.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    registry().with(configured).with(WithoutSecrets::from_env())
}
