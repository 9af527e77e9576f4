//! What a pipeline counts. The labels are routes of the function and not paths of clients, so there are few
//! series.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hash},
    sync::{Arc, Mutex, PoisonError},
};

use funcify_core::engine::metrics::{
    COLD_STARTS, INVOCATION_DURATION, INVOCATIONS, LabelValue, RECORDS,
};
use metrics::{Counter, Histogram};
use rapidhash::fast::RapidHasher;

use crate::pipeline::event::kind::Kind;
use crate::pipeline::outcome::{InvocationOutcome, Processed};

/// The series of a pipeline, each registered when it first occurs. Finding one allocates nothing.
#[derive(Default)]
pub(super) struct PipelineSeries {
    invocations: Registered<Invoked, (Counter, Histogram)>,
    records: Registered<(Option<Arc<str>>, InvocationOutcome), Counter>,
}

/// The labels of a counted invocation.
type Invoked = (Kind, Option<Arc<str>>, InvocationOutcome);

impl PipelineSeries {
    /// An invocation has ended.
    pub(super) fn invocation(&self, processed: &Processed, milliseconds: f64, cold_start: bool) {
        let Processed { kind, outcome, route, .. } = processed;
        let route = route.clone().map(one_of_several);
        let key = (*kind, route.clone(), *outcome);
        let register = || {
            let (kind, route) = (LabelValue::from(kind.as_str()), label(route.as_deref()));
            let labels = [kind.clone(), route.clone(), outcome.as_str().into()];
            (INVOCATIONS.counter(labels), INVOCATION_DURATION.histogram([kind, route]))
        };
        self.invocations.with(key, register, |(count, duration)| {
            count.increment(1);
            duration.record(milliseconds);
        });
        if cold_start {
            COLD_STARTS.counter([kind.as_str().into()]).increment(1);
        }
    }

    /// The records of a batch have ended.
    pub(super) fn records(
        &self,
        ended: impl Iterator<Item = (Option<Arc<str>>, InvocationOutcome)>,
    ) {
        for (route, outcome) in ended {
            let labels = || [label(route.as_deref()), outcome.as_str().into()];
            let register = || RECORDS.counter(labels());
            self.records.with((route.clone(), outcome), register, |count| count.increment(1));
        }
    }
}

/// An event can take many combinations of routes, and each combination would be a series of its own.
fn one_of_several(route: Arc<str>) -> Arc<str> {
    if route.contains(',') { Arc::from("several") } else { route }
}

fn label(route: Option<&str>) -> LabelValue {
    route.unwrap_or("none").to_owned().into()
}

/// The handles of registered metrics, by their labels.
struct Registered<K, V>(Mutex<HashMap<K, V, Hasher>>);

/// A fast hash, the same in every process. No caller chooses the keys: they are the routes of the function.
type Hasher = BuildHasherDefault<RapidHasher<'static>>;

impl<K: Eq + Hash, V> Registered<K, V> {
    fn with(&self, key: K, register: impl FnOnce() -> V, count: impl FnOnce(&V)) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        count(known.entry(key).or_insert_with(register));
    }
}

impl<K, V> Default for Registered<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}
