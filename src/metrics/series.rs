//! The values of one series, which the recorder keeps from one line to the next.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use metrics::{CounterFn, GaugeFn, HistogramFn};
use serde_json::Value;

/// The most values of one metric in a line that CloudWatch accepts.
const MOST_VALUES: usize = 100;

#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl CounterFn for Count {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Ordering::Relaxed);
    }

    fn absolute(&self, value: u64) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }
}

/// A value, and whether it was set since the last line. Setting the same value again counts, so that a
/// lasting state is still reported.
#[derive(Debug, Default)]
pub(super) struct Level {
    bits: AtomicU64,
    is_set: AtomicBool,
}

impl Level {
    fn change(&self, change: impl Fn(f64) -> f64) {
        let changed = |bits| Some(change(f64::from_bits(bits)).to_bits());
        // This cannot fail, because `changed` always returns a value.
        let _ = self.bits.fetch_update(Ordering::Relaxed, Ordering::Relaxed, changed);
        self.is_set.store(true, Ordering::Release);
    }
}

impl GaugeFn for Level {
    fn increment(&self, value: f64) {
        self.change(|now| now + value);
    }

    fn decrement(&self, value: f64) {
        self.change(|now| now - value);
    }

    fn set(&self, value: f64) {
        self.change(|_| value);
    }
}

#[derive(Debug, Default)]
pub(super) struct Values(Mutex<Vec<f64>>);

impl HistogramFn for Values {
    /// Drops a value if there are 100 since the last line.
    fn record(&self, value: f64) {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if values.len() < MOST_VALUES {
            values.push(value);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Counter,
    Gauge,
    Histogram,
}

/// The value of a series of any type. A clone is the same value.
#[derive(Clone, Debug)]
pub(super) enum Kept {
    Count(Arc<Count>),
    Level(Arc<Level>),
    Values(Arc<Values>),
}

impl Kept {
    pub(super) fn new(r#type: Type) -> Self {
        match r#type {
            Type::Counter => Self::Count(Arc::default()),
            Type::Gauge => Self::Level(Arc::default()),
            Type::Histogram => Self::Values(Arc::default()),
        }
    }

    pub(super) const fn r#type(&self) -> Type {
        match self {
            Self::Count(_) => Type::Counter,
            Self::Level(_) => Type::Gauge,
            Self::Values(_) => Type::Histogram,
        }
    }

    /// The change since the last call, if there is one. `said` is the value of a counter at that call.
    /// Infinite values and NaN are dropped, because JSON has no form for them.
    pub(super) fn take(&self, said: &mut u64) -> Option<Value> {
        match self {
            Self::Count(count) => {
                let now = count.0.load(Ordering::Relaxed);
                let new = now.wrapping_sub(std::mem::replace(said, now));
                (new > 0).then(|| new.into())
            }
            Self::Level(level) => {
                let is_set = level.is_set.swap(false, Ordering::Acquire);
                let value = f64::from_bits(level.bits.load(Ordering::Relaxed));
                (is_set && value.is_finite()).then(|| value.into())
            }
            Self::Values(values) => {
                let mut values = values.0.lock().unwrap_or_else(PoisonError::into_inner);
                let finite = values.drain(..).filter(|value| value.is_finite());
                let mut new: Vec<Value> = finite.map(Value::from).collect();
                if new.len() > 1 { Some(Value::Array(new)) } else { new.pop() }
            }
        }
    }
}
