use std::{fmt, sync::Arc};

use super::{Cause, CircuitRecord, CircuitState, Override};
use crate::{
    Timestamp,
    register::{RecordName, WriteId},
};

/// A change of a circuit, as this process saw it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CircuitEvent {
    /// The circuit opened, here or elsewhere in the fleet.
    #[non_exhaustive]
    Opened {
        /// The new epoch.
        epoch: u64,
        /// Why it opened.
        cause: Option<Cause>,
        /// When its open duration ends.
        until: Timestamp,
    },
    /// The first probe is under way.
    #[non_exhaustive]
    HalfOpened {
        /// The new epoch.
        epoch: u64,
    },
    /// The circuit closed.
    #[non_exhaustive]
    Closed {
        /// The new epoch.
        epoch: u64,
    },
    /// A call of this process became a probe.
    #[non_exhaustive]
    ProbeGranted {
        /// The probe.
        id: WriteId,
    },
    /// A call of this process could not become a probe, because another was first.
    ProbeRefused,
    /// The lease of a probe of this process ended before its result was known.
    #[non_exhaustive]
    ProbeExpired {
        /// The probe.
        id: WriteId,
    },
    /// The store failed. From now on this process decides by itself.
    StoreDown,
    /// The store is back. The fleet's record counts again.
    StoreBack,
    /// An operator set an override, or cleared it.
    Override(Option<Override>),
}

/// Receives the events, at once and on the task that saw them.
pub(super) type Listener = Arc<dyn Fn(&RecordName, &CircuitEvent) + Send + Sync>;

/// What changed from one record to a newer one.
pub(super) fn changes(old: &CircuitRecord, new: &CircuitRecord) -> Vec<CircuitEvent> {
    let mut events = Vec::new();
    let moved = (old.epoch, old.changed_at) != (new.epoch, new.changed_at);
    let epoch = new.epoch;
    match new.state {
        CircuitState::Open if moved => {
            events.push(CircuitEvent::Opened { epoch, cause: new.cause, until: new.open_until });
        }
        CircuitState::HalfOpen if moved => events.push(CircuitEvent::HalfOpened { epoch }),
        // The first sight of a closed circuit is no change.
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

/// Logs an event, and passes it to the listener.
pub(super) fn emit(circuit: &RecordName, listener: Option<&Listener>, event: &CircuitEvent) {
    match event {
        CircuitEvent::Opened { .. } | CircuitEvent::StoreDown => {
            tracing::warn!(%circuit, %event, "circuit");
        }
        CircuitEvent::ProbeGranted { .. } | CircuitEvent::ProbeRefused => {
            tracing::debug!(%circuit, %event, "circuit");
        }
        _ => tracing::info!(%circuit, %event, "circuit"),
    }
    if let Some(listener) = listener {
        listener(circuit, event);
    }
}

impl fmt::Display for CircuitEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened { epoch, cause: Some(cause), until } => {
                write!(f, "opened epoch={epoch} cause={cause:?} until={until}")
            }
            Self::Opened { epoch, cause: None, until } => {
                write!(f, "opened epoch={epoch} until={until}")
            }
            Self::HalfOpened { epoch } => write!(f, "half-opened epoch={epoch}"),
            Self::Closed { epoch } => write!(f, "closed epoch={epoch}"),
            Self::ProbeGranted { id } => write!(f, "probe granted id={id}"),
            Self::ProbeRefused => f.write_str("probe refused"),
            Self::ProbeExpired { id } => write!(f, "probe expired id={id}"),
            Self::StoreDown => f.write_str("store down"),
            Self::StoreBack => f.write_str("store back"),
            Self::Override(Some(set)) => {
                write!(f, "override mode={:?} until={} by={:?}", set.mode, set.until, set.by)
            }
            Self::Override(None) => f.write_str("override cleared"),
        }
    }
}
