use std::{fmt, sync::Arc};

use super::{Cause, CircuitRecord, CircuitState, Override, OverrideMode};
use crate::{
    Timestamp,
    register::{RecordName, WriteId},
};

/// A change of a circuit, as one process sees it.
///
/// [`CircuitBreaker::with_listener`](super::CircuitBreaker::with_listener) passes these events to your
/// code. The `Display` form of an event is the rest of a sentence that begins with the name of the
/// circuit, such as "closed: calls go through again (epoch 4)".
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CircuitEvent {
    /// The circuit opened, in this process or elsewhere in the fleet.
    #[non_exhaustive]
    Opened {
        /// The new epoch.
        epoch: u64,
        /// Why the circuit opened.
        cause: Option<Cause>,
        /// When the open duration ends.
        until: Timestamp,
    },
    /// The first probe got its lease, in this process or elsewhere in the fleet.
    #[non_exhaustive]
    HalfOpened {
        /// The new epoch.
        epoch: u64,
    },
    /// The circuit closed, in this process or elsewhere in the fleet.
    #[non_exhaustive]
    Closed {
        /// The new epoch.
        epoch: u64,
    },
    /// A call of this process became a probe.
    #[non_exhaustive]
    ProbeGranted {
        /// The id of the probe.
        id: WriteId,
    },
    /// A call of this process could not become a probe, because another call was first.
    ProbeRefused,
    /// The lease of a probe of this process ended before its result was known.
    #[non_exhaustive]
    ProbeExpired {
        /// The id of the probe.
        id: WriteId,
    },
    /// The store failed. From now on this process decides by itself, as
    /// [`StoreDown`](super::StoreDown) says.
    StoreDown,
    /// The store answers again, so the record of the fleet counts again.
    StoreBack,
    /// An operator set an override (`Some`), or ended it (`None`).
    Override(Option<Override>),
}

/// Receives each event at once, on the task that saw it.
pub(super) type Listener = Arc<dyn Fn(&RecordName, &CircuitEvent) + Send + Sync>;

/// Returns what changed from one record to a newer one.
pub(super) fn changes(old: &CircuitRecord, new: &CircuitRecord) -> Vec<CircuitEvent> {
    let mut events = Vec::new();
    let moved = (old.epoch, old.changed_at) != (new.epoch, new.changed_at);
    let epoch = new.epoch;
    match new.state {
        CircuitState::Open if moved => {
            events.push(CircuitEvent::Opened { epoch, cause: new.cause, until: new.open_until });
        }
        CircuitState::HalfOpen if moved => events.push(CircuitEvent::HalfOpened { epoch }),
        // A process that reads a closed circuit for the first time has not seen a change.
        CircuitState::Closed if old.state != CircuitState::Closed => {
            events.push(CircuitEvent::Closed { epoch });
        }
        _ => {}
    }
    if old.overridden != new.overridden {
        events.push(CircuitEvent::Override(new.overridden.clone()));
    }
    events
}

/// Logs an event and passes it to the listener.
pub(super) fn emit(circuit: &RecordName, listener: Option<&Listener>, event: &CircuitEvent) {
    match event {
        CircuitEvent::Opened { .. } | CircuitEvent::StoreDown => {
            tracing::warn!(%circuit, "the circuit {circuit} {event}");
        }
        CircuitEvent::ProbeGranted { .. } | CircuitEvent::ProbeRefused => {
            tracing::debug!(%circuit, "the circuit {circuit} {event}");
        }
        _ => tracing::info!(%circuit, "the circuit {circuit} {event}"),
    }
    if let Some(listener) = listener {
        listener(circuit, event);
    }
}

/// Formats the rest of a sentence that begins with the name of the circuit.
impl fmt::Display for CircuitEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened { epoch, cause, until } => {
                let until = until.rfc3339();
                let why = cause.map_or("for an unknown reason", why);
                write!(f, "opened {why}: calls are refused until {until} (epoch {epoch})")
            }
            Self::HalfOpened { epoch } => {
                write!(
                    f,
                    "half-opened: probes find out whether the service is back (epoch {epoch})"
                )
            }
            Self::Closed { epoch } => write!(f, "closed: calls go through again (epoch {epoch})"),
            Self::ProbeGranted { id } => {
                write!(f, "probes with a call of this process (probe {id})")
            }
            Self::ProbeRefused => f.write_str("refused a probe of this process: another was first"),
            Self::ProbeExpired { id } => {
                write!(
                    f,
                    "lost a probe of this process: its lease ended without a result (probe {id})"
                )
            }
            Self::StoreDown => f.write_str(
                "is not shared now: its store fails, and this process decides by itself",
            ),
            Self::StoreBack => f.write_str("is shared again: its store answers"),
            Self::Override(Some(set)) => {
                let (by, until) = (&set.by, set.until.rfc3339());
                let what = match set.mode {
                    OverrideMode::ForceOpen => "is held open",
                    OverrideMode::Disabled => "is switched off, so that every call is admitted,",
                };
                match by.is_empty() {
                    true => write!(f, "{what} by an operator until {until}"),
                    false => write!(f, "{what} by the operator {by:?} until {until}"),
                }
            }
            Self::Override(None) => f.write_str("is no longer overridden by an operator"),
        }
    }
}

/// Returns the part of the sentence that says why the circuit opened.
fn why(cause: Cause) -> &'static str {
    match cause {
        Cause::Failures => "after too many failures",
        Cause::FailureRate => "because too large a share of the calls failed",
        Cause::SlowCalls => "because too large a share of the calls was slow",
        Cause::ProbeFailed => "again after a probe failed",
        Cause::Probing => "while probes are under way",
        Cause::InstanceLocal => "for this instance alone, because only its calls fail",
        Cause::Override => "on the order of an operator",
        Cause::StoreDown => "because its store fails",
        Cause::Stale => "because its state is too old",
        Cause::Unknown => "for a reason that this version does not know",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transition_says_what_why_and_until_when() {
        let until = Timestamp::from_millis(1_770_000_030_000);
        let opened = CircuitEvent::Opened { epoch: 7, cause: Some(Cause::Failures), until };
        let set = Override::new(OverrideMode::ForceOpen, until, "ops");
        for (event, expected) in [
            (
                opened,
                "opened after too many failures: calls are refused until 2026-02-02T02:40:30.000Z (epoch 7)",
            ),
            (
                CircuitEvent::Override(Some(set)),
                "is held open by the operator \"ops\" until 2026-02-02T02:40:30.000Z",
            ),
        ] {
            assert_eq!(event.to_string(), expected);
        }
    }
}
