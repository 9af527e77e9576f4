//! Tests of idempotency on virtual time, with a store in memory whose connection may fail.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use funcify_backend_memory::MemoryBackend;
use funcify_core::{
    Deadline, StoreErrorKind,
    conformance::{Fault, Faulty},
    engine::VirtualClock,
    register::RetryingRegister,
};
use tokio::time::{Instant, sleep};

use super::{Idempotency, IdempotencyError, IdempotencyPolicy};

type Outcome = Result<u32, IdempotencyError<&'static str>>;

/// A fleet of processes on one store.
struct Fleet {
    memory: Arc<MemoryBackend>,
    clock: Arc<VirtualClock>,
    executions: AtomicU32,
}

impl Fleet {
    fn new() -> Self {
        let executions = AtomicU32::new(0);
        Self { memory: Arc::default(), clock: VirtualClock::new(), executions }
    }

    /// A process with a connection of its own.
    fn process(&self) -> (Idempotency, Faulty<MemoryBackend>) {
        self.process_off_by(0)
    }

    fn process_off_by(&self, millis: i64) -> (Idempotency, Faulty<MemoryBackend>) {
        let faulty = Faulty::new(Arc::clone(&self.memory));
        let store = Arc::new(RetryingRegister::new(faulty.clone()));
        let clock = self.clock.off_by(millis);
        (Idempotency::new("orders", store).unwrap().clock(clock), faulty)
    }

    /// Work that takes this long and answers with the number of the execution.
    async fn call(&self, process: &Idempotency, payload: &str, work: u64) -> Outcome {
        process.run("7", payload, async |_| Ok(self.execute(work).await)).await
    }

    async fn execute(&self, work: u64) -> u32 {
        let number = self.executions.fetch_add(1, SeqCst) + 1;
        sleep(Duration::from_millis(work)).await;
        number
    }

    fn executions(&self) -> u32 {
        self.executions.load(SeqCst)
    }
}

fn policy(change: impl FnOnce(&mut IdempotencyPolicy)) -> IdempotencyPolicy {
    let mut policy = IdempotencyPolicy::default();
    change(&mut policy);
    policy
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_hundred_duplicates_at_once_are_one_execution_and_get_one_answer() {
    let fleet = Fleet::new();
    let (one, wire) = fleet.process();
    let (other, _) = fleet.process();
    let calls =
        (0..100).map(|number| fleet.call(if number % 2 == 0 { &one } else { &other }, "a", 900));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.unwrap(), 1);
    }
    assert_eq!(fleet.executions(), 1);
    let metrics = one.metrics();
    assert_eq!((metrics.executions, metrics.replayed, metrics.waited), (1, 49, 49));
    assert!(wire.reads() < 50 * 10, "{} reads", wire.reads());
}

#[tokio::test(start_paused = true)]
async fn a_first_call_is_two_writes_and_a_replay_one_operation() {
    let fleet = Fleet::new();
    let (process, wire) = fleet.process();
    fleet.call(&process, "a", 1).await.unwrap();
    assert_eq!((wire.reads(), wire.swaps()), (0, 2));
    fleet.call(&process, "a", 1).await.unwrap();
    assert_eq!((wire.reads(), wire.swaps()), (0, 3), "a duplicate that nobody expected");
    fleet.call(&process.redelivered(true), "a", 1).await.unwrap();
    assert_eq!((wire.reads(), wire.swaps()), (1, 3), "a message that is delivered again");
}

#[tokio::test(start_paused = true)]
async fn another_payload_is_refused_while_the_work_runs_and_after_it() {
    let fleet = Fleet::new();
    let (process, _) = fleet.process();
    let (first, early) =
        tokio::join!(fleet.call(&process, "a", 100), fleet.call(&process, "b", 100));
    let late = fleet.call(&process, "b", 100).await;
    assert_eq!(first.unwrap(), 1);
    assert!(matches!(
        (early, late),
        (Err(IdempotencyError::Mismatch), Err(IdempotencyError::Mismatch))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_waits_as_long_as_the_policy_says_and_is_told_when_to_come_back() {
    let fleet = Fleet::new();
    let (process, _) = fleet.process();
    for wait in [0, 5] {
        let policy = policy(|policy| policy.wait = seconds(wait));
        let waiting = process.clone().policy(policy).unwrap();
        let started = Instant::now();
        let call = async {
            let second = fleet.call(&waiting, "a", 1).await;
            let Err(IdempotencyError::InProgress { retry_after }) = second else {
                panic!("not in progress: {second:?}")
            };
            (started.elapsed(), retry_after)
        };
        let first = async { fleet.call(&process, "a", 60_000).await };
        let (waited, retry_after) =
            tokio::select! { biased; _ = first => unreachable!(), told = call => told };
        assert_eq!(waited, seconds(wait));
        assert!(retry_after >= seconds(1) && retry_after <= seconds(5), "{retry_after:?}");
        sleep(seconds(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_frees_the_key_and_a_final_one_is_remembered() {
    let fleet = Fleet::new();
    let (process, _) = fleet.process();
    for attempt in 1..=3 {
        let failed =
            process.run::<(), _>("7", "a", async |claim| Err::<_, u32>(claim.attempt())).await;
        assert!(matches!(failed, Err(IdempotencyError::Failed(count)) if count == attempt));
    }
    assert_eq!(process.metrics().released, 3);
    for _ in 0..2 {
        let call =
            process.run_classified("8", "a", |_| true, async |claim| Err::<(), _>(claim.attempt()));
        assert!(matches!(call.await, Err(IdempotencyError::Failed(1))));
    }
    // `run` cannot decode a failure that `run_classified` has remembered.
    let other = process.run("8", "a", async |_| Ok::<(), ()>(())).await;
    assert!(matches!(other, Err(IdempotencyError::AnswerNotKept)));
}

#[tokio::test(start_paused = true)]
async fn work_that_panics_or_is_dropped_frees_the_key() {
    let fleet = Fleet::new();
    let (process, _) = fleet.process();
    let panics = process.clone();
    let task =
        tokio::spawn(
            async move { panics.run::<(), ()>("7", "a", async |_| panic!("a bug")).await },
        );
    assert!(task.await.unwrap_err().is_panic());
    let dropped = process.run::<(), ()>("7", "a", async |_| pending().await);
    assert!(tokio::time::timeout(seconds(1), dropped).await.is_err());
    sleep(Duration::from_millis(1)).await;
    let attempt = process.run("7", "a", async |claim| Ok::<_, ()>(claim.attempt())).await;
    assert_eq!(attempt.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn work_ends_with_the_invocation_and_the_key_is_free_for_the_next() {
    let fleet = Fleet::new();
    let (process, _) = fleet.process();
    let deadline = Deadline::of_invocation(seconds(3), Deadline::WORK_MARGIN);
    let started = Instant::now();
    let ended = deadline.scope(fleet.call(&process, "a", 60_000)).await;
    assert!(matches!(ended, Err(IdempotencyError::Deadline(_))));
    assert_eq!(started.elapsed(), Duration::from_millis(2_700));
    assert_eq!(fleet.call(&process, "a", 1).await.unwrap(), 2);
    let late = Deadline::within(Duration::ZERO).scope(fleet.call(&process, "b", 1)).await;
    assert!(matches!(late, Err(IdempotencyError::Deadline(_))), "nothing is begun");
}

/// The process is frozen inside the work. When it goes on, only its wall clock shows that.
#[tokio::test(start_paused = true)]
async fn a_claimant_that_was_frozen_takes_no_further_step() {
    let fleet = Fleet::new();
    let (process, _) = fleet.process();
    let deadline = Deadline::of_invocation(seconds(10), Deadline::WORK_MARGIN);
    let mut steps = 0;
    let work = process.run::<(), ()>("7", "a", async |_| {
        loop {
            sleep(seconds(1)).await;
            steps += 1;
            if steps == 3 {
                fleet.clock.skip(seconds(3_600));
            }
        }
    });
    assert!(matches!(deadline.scope(work).await, Err(IdempotencyError::Deadline(_))));
    assert_eq!(steps, 3, "a step was taken after the freeze");
}

/// The store is down for the claimant when its work is done.
#[tokio::test(start_paused = true)]
async fn a_claim_that_is_over_is_taken_over_and_the_successors_answer_is_the_answer() {
    let fleet = Fleet::new();
    let (stopped, wire) = fleet.process();
    let (other, _) = fleet.process_off_by(600);
    let short = policy(|policy| policy.longest_claim = seconds(2));
    let stopped = stopped.policy(short).unwrap();
    let first = stopped.run("7", "a", async |_| {
        let number = fleet.execute(1_500).await;
        wire.always(Fault::Refuse);
        Ok::<_, ()>(number)
    });
    let second = async {
        sleep(Duration::from_millis(500)).await;
        let second = fleet.call(&other, "a", 1).await;
        wire.heal();
        second
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.unwrap(), second.unwrap()), (2, 2), "one answer");
    assert_eq!((other.metrics().takeovers, fleet.executions()), (1, 2));
    assert_eq!(stopped.metrics().superseded, 1);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_the_store_lost_is_written_anew_and_another_ones_answer_is_the_answer() {
    let fleet = Fleet::new();
    let (process, _) = fleet.process();
    let key = super::Key::new("orders", "7").unwrap().0;
    let key = funcify_core::register::RecordKey::of::<super::IdempotencyRecord>(key);
    let lost = process.run("7", "a", async |_| {
        fleet.memory.remove(&key);
        Ok::<_, ()>(1)
    });
    assert_eq!(lost.await.unwrap(), 1);
    assert_eq!(fleet.call(&process, "a", 1).await.unwrap(), 1, "it was remembered");

    fleet.memory.remove(&key);
    let (other, _) = fleet.process();
    let late = process.run("7", "a", async |_| {
        fleet.memory.remove(&key);
        let second = other.clone();
        // In another task, because a call inside the work itself would be refused as nested.
        let second =
            tokio::spawn(async move { second.run("7", "a", async |_| Ok::<_, ()>(5)).await });
        assert_eq!(second.await.unwrap().unwrap(), 5);
        Ok::<_, ()>(4)
    });
    assert_eq!(late.await.unwrap(), 5);
    assert_eq!(process.metrics().superseded, 1);
}

#[tokio::test(start_paused = true)]
async fn the_store_may_fail_at_each_operation() {
    let faults = [Fault::LoseRequest, Fault::LoseReply, Fault::Refuse, Fault::Late { later: 1 }];
    for (fault, place) in faults.iter().flat_map(|fault| [(fault, 0), (fault, 1)]) {
        let fleet = Fleet::new();
        let (process, wire) = fleet.process();
        wire.script(vec![Fault::Pass; place]);
        wire.script([*fault]);
        assert_eq!(fleet.call(&process, "a", 1).await.unwrap(), 1, "{fault:?} at {place}");
        assert_eq!(fleet.call(&process, "a", 1).await.unwrap(), 1, "{fault:?} at {place}");
    }
    let fleet = Fleet::new();
    let (process, wire) = fleet.process();
    wire.always(Fault::Refuse);
    let unclaimed = fleet.call(&process, "a", 1).await;
    let Err(IdempotencyError::Unclaimed(error)) = unclaimed else { panic!("{unclaimed:?}") };
    assert_eq!((error.kind(), fleet.executions()), (StoreErrorKind::Unavailable, 0));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_stored_is_returned_and_not_remembered() {
    let fleet = Fleet::new();
    let (process, wire) = fleet.process();
    let deadline = Deadline::of_invocation(seconds(10), Deadline::WORK_MARGIN);
    let call = process.run("7", "a", async |_| {
        wire.always(Fault::Refuse);
        Ok::<_, ()>(1)
    });
    let started = Instant::now();
    assert_eq!(deadline.scope(call).await.unwrap(), 1);
    assert!(started.elapsed() > seconds(8), "it was not tried until the report's deadline");
    assert_eq!(process.metrics().not_remembered, 1);
    wire.heal();
    let (other, _) = fleet.process();
    let again = other.run("7", "a", async |claim| Ok::<_, ()>(claim.attempt())).await;
    assert_eq!(again.unwrap(), 2, "the claim ended by itself");
}

/// The work blocks its thread while the process is frozen, so that it ends in the same poll.
#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_stored_is_not_returned_once_the_claim_is_over() {
    let fleet = Fleet::new();
    let ((stopped, wire), (other, _)) = (fleet.process(), fleet.process());
    let first = stopped.run("7", "a", async |_| {
        fleet.clock.skip(seconds(3_600));
        wire.always(Fault::Refuse);
        Ok::<_, ()>(4)
    });
    assert!(matches!(first.await, Err(IdempotencyError::Superseded)));
    assert_eq!(stopped.metrics().not_remembered, 1);
    assert_eq!(fleet.call(&other, "a", 1).await.unwrap(), 1, "another answer");
}

#[tokio::test(start_paused = true)]
async fn a_large_answer_is_not_kept_and_the_work_is_not_done_again() {
    let fleet = Fleet::new();
    let (process, _) = fleet.process();
    let large = || {
        process.run("7", "a", async |_| {
            fleet.execute(1).await;
            Ok::<_, ()>("x".repeat(100_001))
        })
    };
    assert_eq!(large().await.unwrap().len(), 100_001);
    assert!(matches!(large().await, Err(IdempotencyError::AnswerNotKept)));
    assert_eq!(fleet.executions(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_forgotten_after_its_retention() {
    let fleet = Fleet::new();
    let (process, _) = fleet.process();
    assert_eq!(fleet.call(&process, "a", 1).await.unwrap(), 1);
    fleet.clock.skip(seconds(86_399));
    assert_eq!(fleet.call(&process, "a", 1).await.unwrap(), 1);
    fleet.clock.skip(seconds(2));
    assert_eq!(fleet.call(&process, "b", 1).await.unwrap(), 2, "a new operation");
}

#[tokio::test(start_paused = true)]
async fn an_operation_inside_itself_is_an_error_and_another_one_is_not() {
    let fleet = Fleet::new();
    let (process, _) = fleet.process();
    let answer = process.run("7", "a", async |_| {
        let other = process.run("8", "a", async |_| {
            let itself = process.run("7", "a", async |_| Ok::<_, ()>(())).await;
            Ok::<_, ()>(matches!(itself, Err(IdempotencyError::Nested)))
        });
        Ok::<_, ()>(other.await.unwrap())
    });
    assert!(answer.await.unwrap());
}

#[test]
fn a_scope_a_policy_and_a_store_that_cannot_be_used_are_refused() {
    let store = || Arc::new(RetryingRegister::new(MemoryBackend::new()));
    for scope in ["", "a b", "twenty-one-characters"] {
        assert!(Idempotency::new(scope, store()).is_err(), "{scope}");
    }
    let policy = policy(|policy| policy.wait = seconds(3_600));
    let refused = Idempotency::new("a", store()).unwrap().policy(policy).unwrap_err();
    assert!(refused.to_string().contains("wait is 3600s"), "{refused}");
}

/// The payload of each claim, and the metrics of a fleet whose clocks differ by a second.
#[tokio::test(start_paused = true)]
async fn skewed_duplicates_are_one_execution() {
    for millis in [-1_000, -400, 400, 1_000] {
        let fleet = Fleet::new();
        let ((one, _), (other, _)) = (fleet.process(), fleet.process_off_by(millis));
        let (first, second) =
            tokio::join!(fleet.call(&one, "a", 3_000), fleet.call(&other, "a", 3_000));
        assert_eq!((first.unwrap(), second.unwrap(), fleet.executions()), (1, 1, 1), "{millis}");
    }
}
