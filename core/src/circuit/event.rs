use std::{fmt, sync::Arc};

use super::{Cause, CircuitName, CircuitRecord, CircuitState, Override};
use crate::{Timestamp, register::WriteId};

/// Something that happened to a circuit, as this process saw it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CircuitEvent {
    /// It opened, here or elsewhere in the fleet.
    Opened {
        /// The new epoch.
        epoch: u64,
        /// Why.
        cause: Option<Cause>,
        /// The end of the stand-down.
        until: Timestamp,
    },
    /// Its first probe is under way.
    HalfOpened {
        /// The new epoch.
        epoch: u64,
    },
    /// It closed.
    Closed {
        /// The new epoch.
        epoch: u64,
    },
    /// A call of this process became a probe.
    ProbeGranted {
        /// The probe.
        id: WriteId,
    },
    /// A call of this process wanted to be a probe, and another was first.
    ProbeRefused,
    /// The lease of a probe of this process was over before its result was known.
    ProbeExpired {
        /// The probe.
        id: WriteId,
    },
    /// The store failed: this process decides by itself from now on.
    StoreDown,
    /// The store is back: the fleet's record counts again.
    StoreBack,
    /// An operator gave an order, or it was cleared.
    Override(Option<Override>),
}

/// Who is told of events: called at once, on the task that saw them, so it must be quick.
pub(super) type Listener = Arc<dyn Fn(&CircuitName, &CircuitEvent) + Send + Sync>;

/// What a look at a newer record tells.
pub(super) fn changes(old: &CircuitRecord, new: &CircuitRecord) -> Vec<CircuitEvent> {
    let mut events = Vec::new();
    let moved = (old.epoch, old.changed_at) != (new.epoch, new.changed_at);
    let epoch = new.epoch;
    match new.state {
        CircuitState::Open if moved => {
            events.push(CircuitEvent::Opened { epoch, cause: new.cause, until: new.open_until });
        }
        CircuitState::HalfOpen if moved => events.push(CircuitEvent::HalfOpened { epoch }),
        // A closed circuit that is seen for the first time is no news.
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

pub(super) fn tell(circuit: &CircuitName, listener: Option<&Listener>, event: &CircuitEvent) {
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
            Self::Override(Some(order)) => {
                write!(f, "override mode={:?} until={} by={:?}", order.mode, order.until, order.by)
            }
            Self::Override(None) => f.write_str("override cleared"),
        }
    }
}
