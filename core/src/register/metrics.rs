//! The metrics of a store. An operation counts once, however often it was retried.

use std::{fmt, sync::OnceLock};

use metrics::Histogram;
use tokio::time::Instant;

use super::Swap;
use crate::{
    StoreError, StoreErrorKind,
    metrics::{STORE_DURATION, STORE_OPERATIONS, Series},
};

/// The metrics of one store.
pub(super) struct StoreSeries {
    backend: &'static str,
    reads: Operations,
    swaps: Operations,
}

#[derive(Default)]
struct Operations {
    results: [Series; RESULTS.len()],
    duration: OnceLock<Histogram>,
}

/// How an operation can end.
const RESULTS: [&str; 8] =
    ["ok", "conflict", "unavailable", "timeout", "throttled", "ambiguous", "denied", "invalid"];

impl StoreSeries {
    pub(super) fn new(backend: &'static str) -> Self {
        Self { backend, reads: Operations::default(), swaps: Operations::default() }
    }

    pub(super) fn read<T>(&self, found: &Result<T, StoreError>, began: Instant) {
        let result = found.as_ref().map_or_else(failed, |_| "ok");
        self.ended(&self.reads, "read", result, began);
    }

    pub(super) fn swapped<T>(&self, swapped: &Result<Swap<T>, StoreError>, began: Instant) {
        let result = match swapped {
            Ok(Swap::Applied(_)) => "ok",
            Ok(Swap::Conflict(_)) => "conflict",
            Err(error) => failed(error),
        };
        self.ended(&self.swaps, "swap", result, began);
    }

    fn ended(
        &self,
        operations: &Operations,
        operation: &'static str,
        result: &'static str,
        began: Instant,
    ) {
        let (backend, place) = (self.backend, RESULTS.iter().position(|known| *known == result));
        if let Some(series) = place.and_then(|place| operations.results.get(place)) {
            series.increment(&STORE_OPERATIONS, || [backend, operation, result]);
        }
        let register = || STORE_DURATION.histogram(&[backend, operation]);
        let milliseconds = began.elapsed().as_secs_f64() * 1_000.0;
        operations.duration.get_or_init(register).record(milliseconds);
    }
}

impl fmt::Debug for StoreSeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StoreSeries").field(&self.backend).finish()
    }
}

impl Default for StoreSeries {
    fn default() -> Self {
        Self::new("custom")
    }
}

fn failed(error: &StoreError) -> &'static str {
    match error.kind() {
        StoreErrorKind::Unavailable => "unavailable",
        StoreErrorKind::Timeout => "timeout",
        StoreErrorKind::Throttled => "throttled",
        StoreErrorKind::Ambiguous => "ambiguous",
        StoreErrorKind::Denied => "denied",
        StoreErrorKind::Invalid => "invalid",
    }
}
