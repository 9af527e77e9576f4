//! Reads circuits as they are stored.

use funcify::OperatedStore;
use funcify_core::{
    StoreErrorKind, Timestamp,
    circuit::{CircuitRecord, CircuitState, OverrideMode},
    register::{Corruption, Record, RecordName},
};

use crate::{arguments::State, error::Failed, time};

/// A circuit and its record. An absent record is an empty one.
#[derive(Debug)]
pub(crate) struct Circuit {
    pub(crate) name: RecordName,
    pub(crate) record: CircuitRecord,
    pub(crate) is_stored: bool,
    pub(crate) corruption: Option<Corruption>,
}

impl Circuit {
    /// Whether the circuit refuses calls at `now`, except those that become probes.
    pub(crate) fn refuses(&self, now: Timestamp) -> bool {
        match self.record.override_at(now) {
            Some(set) => set.mode == OverrideMode::ForceOpen,
            None => self.record.state != CircuitState::Closed,
        }
    }

    /// Whether calls are treated as in this state. An override counts before the state of the record.
    pub(crate) fn is_in(&self, state: State, now: Timestamp) -> bool {
        let set = self.record.override_at(now).map(|set| set.mode);
        match state {
            State::Open if set == Some(OverrideMode::ForceOpen) => true,
            State::Overridden => set.is_some(),
            _ if set.is_some() => false,
            State::Closed => self.record.state == CircuitState::Closed,
            State::Open => self.record.state == CircuitState::Open,
            State::HalfOpen => self.record.state == CircuitState::HalfOpen,
        }
    }
}

pub(crate) async fn one(store: &OperatedStore, name: &RecordName) -> Result<Circuit, Failed> {
    let found = store.register.read_record::<CircuitRecord>(name).await?;
    let name = name.clone();
    Ok(match found {
        Some(found) => {
            Circuit { name, record: found.value, is_stored: true, corruption: found.corruption }
        }
        None => {
            Circuit { name, record: CircuitRecord::default(), is_stored: false, corruption: None }
        }
    })
}

/// The circuits that have a record, sorted by name.
pub(crate) async fn all(
    store: &OperatedStore,
    state: Option<State>,
) -> Result<Vec<Circuit>, Failed> {
    let now = time::now();
    let mut circuits = Vec::new();
    for name in store.inventory.list(CircuitRecord::KIND).await? {
        let circuit = patiently(store, &name).await?;
        if circuit.is_stored && state.is_none_or(|state| circuit.is_in(state, now)) {
            circuits.push(circuit);
        }
    }
    Ok(circuits)
}

/// Reads one circuit, and reads again if the store throttles: a long list takes many reads.
async fn patiently(store: &OperatedStore, name: &RecordName) -> Result<Circuit, Failed> {
    for pause in [200, 400, 800, 1_600].map(std::time::Duration::from_millis) {
        match one(store, name).await {
            Err(Failed::Store(error)) if error.kind() == StoreErrorKind::Throttled => {
                tokio::time::sleep(pause).await;
            }
            result => return result,
        }
    }
    one(store, name).await
}
