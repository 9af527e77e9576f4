//! Virtual time and seeded chance: what makes a run one that can be repeated.

use std::{sync::Arc, time::Duration};

use funcify_core::{Chance, Clock, Timestamp};
use tokio::time::Instant;

/// What time it is when a simulation begins; on a whole second, as the cells of the rate rule are.
const BEGINNING: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// The time and the chance that all of one fleet share.
#[derive(Debug)]
pub(super) struct World {
    began: Instant,
    seeds: Chance,
}

impl World {
    pub(super) fn begin(seed: u64) -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), seeds: Chance::seeded(seed) })
    }

    /// How long the simulation has been going on.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// A chance of its own for one part of the world: what one part draws moves no other's draws.
    pub(super) fn chance(&self) -> Chance {
        Chance::seeded(self.seeds.bits())
    }

    /// A wall clock that goes with virtual time.
    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        self.clock_off_by(0)
    }

    /// A wall clock that is wrong by so many milliseconds.
    pub(super) fn clock_off_by(&self, millis: i64) -> Arc<dyn Clock> {
        let at = Timestamp::from_millis(BEGINNING.as_millis().saturating_add(millis));
        Arc::new(WallClock { began: self.began, at })
    }
}

#[derive(Debug)]
struct WallClock {
    began: Instant,
    at: Timestamp,
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        self.at + self.began.elapsed()
    }
}
