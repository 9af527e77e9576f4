//! What a pipeline counts. The labels are routes of the function and not paths of clients, so there are few
//! series.

use std::{
    collections::HashMap,
    hash::BuildHasherDefault,
    sync::{Mutex, PoisonError},
};

use funcify_core::engine::metrics::{
    COLD_STARTS, INVOCATION_DURATION, INVOCATIONS, LabelValue, RECORDS,
};
use metrics::{Counter, Histogram, IntoF64};
use rapidhash::fast::RapidHasher;

use crate::pipeline::event::kind::Kind;
use crate::pipeline::outcome::{InvocationOutcome, Processed};

/// The series of a pipeline, each registered when it first occurs. Finding one allocates nothing.
#[derive(Default)]
pub(super) struct PipelineSeries {
    invocations: Registered<(Kind, InvocationOutcome), (Counter, Histogram)>,
    records: Registered<InvocationOutcome, Counter>,
}

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
        let register = || {
            let (kind, route) =
                (LabelValue::from(kind.as_str()), LabelValue::from(route.to_owned()));
            let labels = [kind.clone(), route.clone(), outcome.as_str().into()];
            (INVOCATIONS.counter(labels), INVOCATION_DURATION.histogram([kind, route]))
        };
        self.invocations.with(route, (*kind, *outcome), register, |(count, duration)| {
            count.increment(1);
            duration.record(milliseconds);
        });
        if cold_start {
            COLD_STARTS.counter([kind.as_str().into()]).increment(1);
        }
    }

    /// The records of a batch have ended.
    pub(super) fn records<'a>(
        &self,
        ended: impl Iterator<Item = (Option<&'a str>, InvocationOutcome)>,
    ) {
        for (route, outcome) in ended {
            let route = route.unwrap_or(NO_ROUTE);
            let register = || RECORDS.counter([route.to_owned().into(), outcome.as_str().into()]);
            self.records.with(route, outcome, register, |count| count.increment(1));
        }
    }
}

/// An event can take many combinations of routes, and each combination would be a series of its own.
fn one_of_several(route: &str) -> &str {
    if route.contains(',') { "several" } else { route }
}

/// The label of what no route took.
const NO_ROUTE: &str = "none";

/// The handles of registered metrics, by their route, and then by their other labels, of which a route has few.
struct Registered<K, V>(Mutex<ByRoute<K, V>>);

type ByRoute<K, V> = HashMap<Box<str>, Vec<(K, V)>, Hasher>;

/// A fast hash, the same in every process. No caller chooses the keys: they are the routes of the function.
type Hasher = BuildHasherDefault<RapidHasher<'static>>;

impl<K: PartialEq, V> Registered<K, V> {
    fn with(&self, route: &str, key: K, register: impl FnOnce() -> V, count: impl FnOnce(&V)) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_route = match known.get_mut(route) {
            Some(of_route) => of_route,
            None => known.entry(route.into()).or_default(),
        };
        if let Some((_, series)) = of_route.iter().find(|(known, _)| *known == key) {
            return count(series);
        }
        let series = register();
        count(&series);
        of_route.push((key, series));
    }
}

impl<K, V> Default for Registered<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}
