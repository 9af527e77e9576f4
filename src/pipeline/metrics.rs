//! What a pipeline counts. The labels are routes of the function and not paths of clients, so there are few
//! series.

use std::{
    collections::HashMap,
    hash::BuildHasherDefault,
    sync::{Mutex, PoisonError},
};

use funcify_core::engine::metrics::{COLD_STARTS, INVOCATION_DURATION, INVOCATIONS, RECORDS};
use metrics::{Counter, Histogram, IntoF64};
use rapidhash::fast::RapidHasher;

use crate::pipeline::event::kind::Kind;
use crate::pipeline::outcome::{InvocationOutcome, Processed};

/// The series of a pipeline by their route, and then by their other labels, of which a route has few. Each is
/// registered when it first occurs. Finding one allocates nothing.
#[derive(Default)]
pub(super) struct PipelineSeries(Mutex<ByRoute>);

type ByRoute = HashMap<Box<str>, Vec<(Labels, Handles)>, Hasher>;

/// The labels of a counted invocation, or those of a counted record, which have no kind.
type Labels = (Option<Kind>, InvocationOutcome);

/// The handles of registered metrics. That of the duration does nothing for a record.
type Handles = (Counter, Histogram);

/// A fast hash, the same in every process. No caller chooses the keys: they are the routes of the function.
type Hasher = BuildHasherDefault<RapidHasher<'static>>;

/// The label of what no route took.
const NO_ROUTE: &str = "none";

impl PipelineSeries {
    /// An invocation has ended.
    pub(super) fn invocation(
        &self,
        processed: &Processed,
        milliseconds: impl IntoF64,
        cold_start: bool,
    ) {
        let Processed { kind, outcome, route, .. } = processed;
        let route = route.as_deref().map_or(NO_ROUTE, one_of_several);
        self.count(route, (Some(*kind), *outcome), milliseconds);
        if cold_start {
            COLD_STARTS.counter(&[kind.as_str()]).increment(1);
        }
    }

    /// The records of a batch have ended.
    pub(super) fn records<'a>(
        &self,
        ended: impl Iterator<Item = (Option<&'a str>, InvocationOutcome)>,
    ) {
        for (route, outcome) in ended {
            self.count(route.unwrap_or(NO_ROUTE), (None, outcome), 0.0);
        }
    }

    fn count(&self, route: &str, labels: Labels, milliseconds: impl IntoF64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_route = match known.get_mut(route) {
            Some(of_route) => of_route,
            None => known.entry(route.into()).or_default(),
        };
        let found = of_route.iter().position(|(known, _)| *known == labels);
        let index = found.unwrap_or_else(|| {
            of_route.push((labels, register(route, labels)));
            of_route.len() - 1
        });
        let Some((_, (count, duration))) = of_route.get(index) else { return };
        count.increment(1);
        duration.record(milliseconds);
    }
}

fn register(route: &str, (kind, outcome): Labels) -> Handles {
    let outcome = outcome.as_str();
    match kind.map(Kind::as_str) {
        None => (RECORDS.counter(&[route, outcome]), Histogram::noop()),
        Some(kind) => (
            INVOCATIONS.counter(&[kind, route, outcome]),
            INVOCATION_DURATION.histogram(&[kind, route]),
        ),
    }
}

/// An event can take many combinations of routes, and each combination would be a series of its own.
fn one_of_several(route: &str) -> &str {
    if route.contains(',') { "several" } else { route }
}
