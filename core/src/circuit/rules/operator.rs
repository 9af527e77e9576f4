//! The actions of an operator.

use super::change;
use crate::{
    Timestamp,
    circuit::{CircuitRecord, CircuitState, Instance, Override},
};

/// Sets an override. The state does not change.
#[must_use]
pub fn set_override(record: &CircuitRecord, overridden: Override) -> CircuitRecord {
    CircuitRecord { overridden: Some(overridden), ..record.clone() }
}

/// Ends the override and closes the circuit. `None` if the circuit is closed and has no override. `by` is
/// the operator, for the history.
#[must_use]
pub fn close(record: &CircuitRecord, by: Instance, now: Timestamp) -> Option<CircuitRecord> {
    let is_closed = record.state == CircuitState::Closed;
    if is_closed && record.overridden.is_none() {
        return None;
    }
    let closed =
        if is_closed { record.clone() } else { change::closed_by_operator(record, by, now) };
    Some(CircuitRecord { overridden: None, ..closed })
}
