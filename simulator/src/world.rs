//! Virtual time and seeded chance: what makes a run one that can be repeated.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use funcify_core::{
    Timestamp,
    engine::{Chance, Clock},
};
use tokio::time::Instant;

/// What time it is when a simulation begins; on a whole second, as the cells of the rate rule are.
const BEGINNING: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// The time and the chance that all of one fleet share.
#[derive(Debug)]
pub(super) struct World {
    began: Instant,
    /// What was skipped, in nanoseconds: by so much this world is ahead of tokio's time.
    skipped: AtomicU64,
    seeds: Chance,
}

impl World {
    pub(super) fn begin(seed: u64) -> Arc<Self> {
        let (began, seeds) = (Instant::now(), Chance::seeded(seed));
        Arc::new(Self { began, skipped: AtomicU64::new(0), seeds })
    }

    /// How long the simulation has been going on.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed() + Duration::from_nanos(self.skipped.load(Ordering::Relaxed))
    }

    /// Lets time pass while nobody waits for anything. Between two healthy calls there is nothing
    /// else to do: a timer for each would cost more than the call.
    pub(super) fn skip(&self, span: Duration) {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        self.skipped.fetch_add(nanos, Ordering::Relaxed);
    }

    /// A chance of its own for one part of the world: what one part draws moves no other's draws.
    pub(super) fn chance(&self) -> Chance {
        Chance::seeded(self.seeds.bits())
    }

    /// A wall clock that goes with virtual time.
    pub(super) fn clock(self: &Arc<Self>) -> Arc<dyn Clock> {
        self.clock_off_by(0)
    }

    /// A wall clock that is wrong by so many milliseconds.
    pub(super) fn clock_off_by(self: &Arc<Self>, millis: i64) -> Arc<dyn Clock> {
        let at = Timestamp::from_millis(BEGINNING.as_millis().saturating_add(millis));
        Arc::new(WallClock { world: Arc::clone(self), at })
    }
}

#[derive(Debug)]
struct WallClock {
    world: Arc<World>,
    at: Timestamp,
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        self.at + self.world.elapsed()
    }
}
