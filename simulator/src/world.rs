//! Virtual time and seeded randomness, which make a run repeatable.

use std::{sync::Arc, time::Duration};

use funcify_core::engine::{Chance, Clock, VirtualClock};

/// The time and the randomness that all parts of one simulated fleet share.
#[derive(Debug)]
pub(super) struct World {
    clock: Arc<VirtualClock>,
    seeds: Chance,
}

impl World {
    pub(super) fn begin(seed: u64) -> Arc<Self> {
        Arc::new(Self { clock: VirtualClock::new(), seeds: Chance::seeded(seed) })
    }

    /// How long the simulation has been running, in virtual time.
    pub(super) fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Moves virtual time forward while nothing waits for a timer, as between two healthy calls. A timer for
    /// each gap would cost more than the call.
    pub(super) fn skip(&self, time: Duration) {
        self.clock.skip(time);
    }

    /// A random source for one part of the world, so that its draws do not change those of another part.
    pub(super) fn chance(&self) -> Chance {
        Chance::seeded(self.seeds.bits())
    }

    /// A wall clock that shows virtual time.
    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as _
    }

    /// A wall clock that is wrong by this many milliseconds.
    pub(super) fn clock_off_by(&self, millis: i64) -> Arc<dyn Clock> {
        self.clock.off_by(millis)
    }
}
