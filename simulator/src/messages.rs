//! Messages that are delivered again and again, and the processes that handle them.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use funcify::{Deadline, Idempotency, idempotency::IdempotencyError};
use funcify_core::engine::{Chance, Clock};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    answers::{Accepts, Answers, Connection},
    run::Run,
    store::lock,
    timeline::Happening,
};

/// The time over which the messages are sent.
const LASTING: Duration = Duration::from_secs(600);

/// The timeout of an invocation.
const INVOCATION: Duration = Duration::from_secs(10);

/// The most milliseconds by which a clock is wrong, in either direction.
const SKEW: i64 = 1_000;

/// A message that failed is delivered again within this time.
const VISIBILITY: Duration = Duration::from_secs(30);

/// After this many deliveries without success, the key of a message counts as wedged.
const MOST_DELIVERIES: u32 = 40;

/// Processes that share one store, or have a store each if the state is not shared.
pub(super) struct Processes {
    run: Run,
    pub(super) stores: Vec<Arc<Answers>>,
    clocks: Vec<Arc<dyn Clock>>,
    takeovers: AtomicU64,
}

impl Processes {
    pub(super) fn new(run: &Run, accepts: Accepts) -> Arc<Self> {
        let count = if run.settings.unshared { run.instances } else { 1 };
        let stores = (0..count).map(|_| Answers::new(&run.world, accepts)).collect();
        let chance = run.world.chance();
        let clock = |_| {
            let wrong_by = (2.0 * chance.draw() - 1.0) * SKEW as f64;
            #[expect(clippy::cast_possible_truncation, reason = "it is a thousand at most")]
            let wrong_by = wrong_by as i64;
            run.world.clock_off_by(wrong_by)
        };
        let clocks = (0..run.instances).map(clock).collect();
        Arc::new(Self { run: run.clone(), stores, clocks, takeovers: AtomicU64::new(0) })
    }

    /// The number of claims that followed a claim without an answer.
    pub(super) fn takeovers(&self) -> u64 {
        self.takeovers.load(Ordering::Relaxed)
    }
}

/// What happens to a process while it handles a delivery.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Lives,
    /// The process dies this long after the delivery.
    Dies(Duration),
    /// The process is frozen this long after the delivery (first), for this long (second).
    Freezes(Duration, Duration),
    /// The process is frozen when its work is done: its next request is delayed by this time.
    Stalls(Duration),
    /// The work fails.
    Fails,
}

/// A message, and all of its copies.
pub(super) struct Message {
    fleet: Arc<Processes>,
    key: u32,
    chance: Chance,
    pub(super) executions: AtomicU32,
    /// Executions whose caller did not get their answer, because the process died, was frozen, or failed.
    pub(super) excused: AtomicU32,
    pub(super) deliveries: AtomicU32,
    pub(super) answers: Mutex<Vec<u32>>,
    pub(super) mismatches_answered: AtomicU32,
    pub(super) is_wedged: AtomicU32,
}

impl Message {
    pub(super) fn new(fleet: &Arc<Processes>, key: u32) -> Arc<Self> {
        Arc::new(Self {
            fleet: Arc::clone(fleet),
            key,
            chance: fleet.run.world.chance(),
            executions: AtomicU32::new(0),
            excused: AtomicU32::new(0),
            deliveries: AtomicU32::new(0),
            answers: Mutex::default(),
            mismatches_answered: AtomicU32::new(0),
            is_wedged: AtomicU32::new(0),
        })
    }

    /// Sends the message one to four times, some copies at once and some much later. One message in twenty
    /// gets a stranger: another payload under the same key.
    pub(super) async fn live(self: Arc<Self>) -> Arc<Self> {
        sleep(self.chance.up_to(LASTING)).await;
        let mut copies = JoinSet::new();
        for copy in 0..self.one_of(4) + 1 {
            let spread =
                if self.one_of(2) == 0 { Duration::from_secs(1) } else { Duration::from_secs(120) };
            let after = if copy == 0 { Duration::ZERO } else { self.chance.up_to(spread) };
            let message = Arc::clone(&self);
            copies.spawn(async move {
                sleep(after).await;
                message.is_delivered_until_it_succeeds().await;
            });
        }
        if self.one_of(20) == 0 {
            let message = Arc::clone(&self);
            copies.spawn(async move { message.meets_a_stranger().await });
        }
        while copies.join_next().await.is_some() {}
        self
    }

    async fn is_delivered_until_it_succeeds(&self) {
        for delivery in 0..MOST_DELIVERIES {
            let ended = self.delivered(self.fate(), "honest").await;
            let happening = match ended {
                Some(Ok(_)) => Happening::Passed,
                Some(Err(IdempotencyError::InProgress { .. })) => Happening::Refused,
                _ => Happening::Failed,
            };
            self.fleet.run.recorder.count(happening);
            if let Some(Ok(answer)) = ended {
                lock(&self.answers).push(answer);
                return;
            }
            if delivery + 1 < MOST_DELIVERIES {
                sleep(self.chance.up_to(VISIBILITY)).await;
            }
        }
        self.is_wedged.store(1, Ordering::Relaxed);
    }

    /// Delivers another payload after the key has been claimed.
    async fn meets_a_stranger(&self) {
        while self.executions.load(Ordering::Relaxed) == 0 {
            sleep(Duration::from_secs(1)).await;
        }
        sleep(self.chance.up_to(Duration::from_secs(60))).await;
        if let Some(Ok(_)) = self.delivered(Fate::Lives, "a stranger's").await {
            self.mismatches_answered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Makes one delivery to a random process. Returns `None` if the process dies.
    async fn delivered(
        &self,
        fate: Fate,
        payload: &str,
    ) -> Option<Result<u32, IdempotencyError<()>>> {
        self.deliveries.fetch_add(1, Ordering::Relaxed);
        let fleet = &self.fleet;
        let instance = self.one_of(u32::try_from(fleet.clocks.len()).unwrap_or(u32::MAX)) as usize;
        let store = fleet.stores.get(instance % fleet.stores.len())?;
        let connection = Connection::new(store);
        let idempotency = Idempotency::new("messages", Arc::new(connection.clone()))
            .ok()?
            .clock(Arc::clone(fleet.clocks.get(instance)?))
            .chance(fleet.run.world.chance())
            .redelivered(self.one_of(2) == 0);
        let own_number = AtomicU32::new(0);
        let work = async |_| {
            let number = self.executions.fetch_add(1, Ordering::Relaxed) + 1;
            own_number.store(number, Ordering::Relaxed);
            sleep(Duration::from_millis(20) + self.chance.up_to(Duration::from_secs(3))).await;
            if let Fate::Stalls(lasting) = fate {
                connection.stall(lasting);
            }
            if fate == Fate::Fails { Err(()) } else { Ok(number) }
        };
        let deadline = Deadline::of_invocation(INVOCATION, Deadline::WORK_MARGIN);
        let ended = {
            let call = idempotency.run(&self.key, payload, work);
            let mut call = Box::pin(deadline.scope(call));
            match fate {
                Fate::Lives | Fate::Fails | Fate::Stalls(_) => Some(call.await),
                Fate::Dies(after) => match timeout(after, &mut call).await {
                    Ok(ended) => Some(ended),
                    Err(_) => {
                        connection.die();
                        None
                    }
                },
                Fate::Freezes(after, lasting) => match timeout(after, &mut call).await {
                    Ok(ended) => Some(ended),
                    Err(_) => {
                        // A frozen process does not poll its work.
                        sleep(lasting).await;
                        Some(call.await)
                    }
                },
            }
        };
        fleet.takeovers.fetch_add(idempotency.metrics().takeovers, Ordering::Relaxed);
        let own_number = own_number.into_inner();
        let gave_its_answer = matches!(ended, Some(Ok(answer)) if answer == own_number);
        if own_number > 0 && !gave_its_answer {
            self.excused.fetch_add(1, Ordering::Relaxed);
        }
        ended
    }

    fn fate(&self) -> Fate {
        let after = || self.chance.up_to(Duration::from_secs(4));
        match self.one_of(20) {
            0 => Fate::Dies(after()),
            1 => Fate::Freezes(after(), self.chance.up_to(Duration::from_secs(60))),
            2 => Fate::Stalls(self.chance.up_to(Duration::from_secs(60))),
            3 => Fate::Fails,
            _ => Fate::Lives,
        }
    }

    /// A random number from 0 to `many - 1`.
    fn one_of(&self, many: u32) -> u32 {
        let picked = self.chance.draw() * f64::from(many);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between zero and the number"
        )]
        let picked = picked as u32;
        picked
    }
}
