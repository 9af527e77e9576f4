//! What happened at which time, in slots whose width grows with the length of the run.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use funcify_core::circuit::CircuitState;

use super::{
    store::{Change, lock},
    world::World,
};

/// The most slots of a timeline. When they are full, each slot becomes twice as wide.
const SLOTS: usize = 512;

/// The calls, failures, refusals and probes over time, and the states of the circuit.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Timeline {
    /// The width of a slot, in virtual time.
    pub width: Duration,
    /// The slots in order of time, at most 512.
    pub slots: Vec<Slot>,
    /// When the shared circuit changed its state, and to which one. The circuit begins closed.
    pub states: Vec<(Duration, CircuitState)>,
}

/// What happened in one slot of a [`Timeline`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Slot {
    /// Calls that succeeded. In the token scenarios: callers that got a token.
    pub passed: u32,
    /// Calls that reached the dependency and failed. In the token scenarios: callers that got no token.
    pub failed: u32,
    /// Calls that the circuit refused.
    pub refused: u32,
    /// Calls that were probes. In the token scenarios: requests to the identity provider.
    pub probes: u32,
}

impl Timeline {
    /// The state of the circuit at the end of the slot with this index.
    #[must_use]
    pub fn state(&self, index: usize) -> CircuitState {
        let end = self.width * u32::try_from(index + 1).unwrap_or(u32::MAX);
        let last = self.states.iter().take_while(|(at, _)| *at < end).last();
        last.map_or(CircuitState::Closed, |(_, state)| *state)
    }

    fn count(&mut self, at: Duration, what: Happening) {
        let index = |width: Duration| {
            usize::try_from(at.as_millis() / width.as_millis().max(1)).unwrap_or(usize::MAX)
        };
        while index(self.width) >= SLOTS {
            self.slots = self.slots.chunks(2).map(Slot::sum).collect();
            self.width *= 2;
        }
        let index = index(self.width);
        if self.slots.len() <= index {
            self.slots.resize(index + 1, Slot::default());
        }
        let Some(slot) = self.slots.get_mut(index) else { return };
        match what {
            Happening::Passed => slot.passed += 1,
            Happening::Failed => slot.failed += 1,
            Happening::Refused => slot.refused += 1,
            Happening::Probe => slot.probes += 1,
        }
    }
}

impl Slot {
    pub(super) fn sum(slots: &[Self]) -> Self {
        slots.iter().fold(Self::default(), |sum, slot| Self {
            passed: sum.passed + slot.passed,
            failed: sum.failed + slot.failed,
            refused: sum.refused + slot.refused,
            probes: sum.probes + slot.probes,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happening {
    Passed,
    Failed,
    Refused,
    Probe,
}

/// Records the timeline while the simulation runs.
#[derive(Debug)]
pub(super) struct Recorder {
    world: Arc<World>,
    timeline: Mutex<Timeline>,
}

impl Recorder {
    pub(super) fn new(world: &Arc<World>) -> Arc<Self> {
        let empty =
            Timeline { width: Duration::from_millis(250), slots: Vec::new(), states: Vec::new() };
        Arc::new(Self { world: Arc::clone(world), timeline: Mutex::new(empty) })
    }

    pub(super) fn count(&self, what: Happening) {
        lock(&self.timeline).count(self.world.elapsed(), what);
    }

    /// Adds the states of one fleet's circuit. The circuit of the next fleet begins closed.
    pub(super) fn states(&self, changes: &[Change]) {
        let states = &mut lock(&self.timeline).states;
        states.extend(changes.iter().map(|change| (change.at, change.state)));
        if states.last().is_some_and(|(_, state)| *state != CircuitState::Closed) {
            states.push((self.world.elapsed(), CircuitState::Closed));
        }
    }

    pub(super) fn timeline(&self) -> Timeline {
        lock(&self.timeline).clone()
    }
}
