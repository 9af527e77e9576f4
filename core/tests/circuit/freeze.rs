//! Old snapshots: the process was frozen, its clock was set, or it has no time to refresh its snapshot.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use funcify_core::{
    Deadline,
    circuit::{CallOutcome, Cause, CircuitBreaker, CircuitError, CircuitState},
    engine::ManualClock,
};
use funcify_test_support::HookedCircuits;
use tokio::{io::AsyncReadExt, sync::Notify, time::sleep};

use crate::support::{
    START, Store, VirtualClock, breaker, fail, five_a_minute, fleet, is_refused, millis, seconds,
    succeed, touchy, with_open_duration, with_snapshot_ttl,
};

/// Whether a call is refused if its process was frozen while it refreshed the snapshot.
async fn refuses_after_the_thaw(clock_goes_on: bool) -> bool {
    let (store, clock) = (Store::new(), Arc::new(ManualClock::at(START)));
    let policy = with_open_duration(touchy(), seconds(600), seconds(600));
    let other = breaker(&store, policy.clone(), clock.clone());
    // The reader is frozen for a minute while the answer is on its way, and another instance opens the
    // circuit meanwhile.
    let (shared, frozen_clock) = (Arc::clone(&store), clock.clone());
    let freezing = HookedCircuits::over(Arc::clone(&store)).on_read(move |read| {
        let (shared, clock, other) = (Arc::clone(&shared), frozen_clock.clone(), other.clone());
        async move {
            let found = read.send().await;
            if shared.record().state == CircuitState::Closed {
                fail(&other).await.unwrap_err();
                if clock_goes_on {
                    clock.advance(seconds(60));
                }
            }
            found
        }
    });
    let thawed =
        CircuitBreaker::new("auth0", policy, Arc::new(freezing)).unwrap().with_clock(clock);
    let is_refused = is_refused(&succeed(&thawed).await);
    assert_eq!(store.record().state, CircuitState::Open);
    is_refused
}

#[tokio::test(start_paused = true)]
async fn f10_a_thawed_process_admits_nothing_by_what_it_read_before() {
    assert!(refuses_after_the_thaw(true).await);
    // The mutant: with a clock that is frozen too, the freeze cannot be noticed.
    assert!(!refuses_after_the_thaw(false).await);
}

/// Runs `freeze` once, between the first operation and its answer.
fn once(freeze: impl Fn() + Send + Sync + 'static) -> impl Fn() + Send + Sync + 'static {
    let is_first = AtomicBool::new(true);
    move || {
        if is_first.swap(false, Ordering::SeqCst) {
            freeze();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f10_a_process_frozen_during_a_refresh_refreshes_again_before_it_decides() {
    // A snapshot of up to a second may be used, however short its time to live is. After the clock was set
    // back, the age of a snapshot is unknown.
    let thawed = [
        (START + seconds(60), 2),
        (START + millis(1_001), 2),
        (START + millis(999), 1),
        (START - seconds(60), 2),
    ];
    for (until, reads) in thawed {
        let (store, clock) = (Store::new(), Arc::new(ManualClock::at(START)));
        let thawed_clock = Arc::clone(&clock);
        let freeze = Arc::new(once(move || thawed_clock.set(until)));
        let frozen = HookedCircuits::over(Arc::clone(&store)).on_read(move |read| {
            let freeze = Arc::clone(&freeze);
            async move { read.send().await.inspect(|_| freeze()) }
        });
        let policy = with_snapshot_ttl(touchy(), millis(500));
        let circuit = CircuitBreaker::new("auth0", policy, Arc::new(frozen)).unwrap();
        let circuit = circuit.with_clock(clock);
        circuit.acquire().await.unwrap().record(CallOutcome::Neutral).await;
        assert_eq!(store.reads.load(Ordering::SeqCst), reads, "{until:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn f10_a_process_frozen_while_it_took_a_lease_makes_no_call_that_would_outlast_it() {
    // The lease lasts for twelve seconds. A call of ten seconds needs at least five of them.
    for (lasting, probes) in [(seconds(6), true), (seconds(8), false)] {
        let (store, clock) = (Store::new(), Arc::new(ManualClock::at(START)));
        fail(&breaker(&store, touchy(), clock.clone())).await.unwrap_err();
        clock.advance(seconds(10));
        let thawed_clock = Arc::clone(&clock);
        let freeze = Arc::new(once(move || thawed_clock.set(START + seconds(10) + lasting)));
        let frozen = HookedCircuits::over(Arc::clone(&store)).on_write(move |write| {
            let freeze = Arc::clone(&freeze);
            async move { write.send().await.inspect(|_| freeze()) }
        });
        let circuit = CircuitBreaker::new("auth0", touchy(), Arc::new(frozen)).unwrap();
        let circuit = circuit.with_clock(clock);
        assert_eq!(circuit.acquire().await.is_ok(), probes, "frozen for {lasting:?}");
        assert_eq!(store.record().state, CircuitState::HalfOpen);
    }
}

#[tokio::test(start_paused = true)]
async fn f10_a_snapshot_of_before_the_freeze_is_read_anew() {
    let (store, clock) = (Store::new(), Arc::new(ManualClock::at(START)));
    let circuit = breaker(&store, touchy(), clock.clone());
    succeed(&circuit).await.unwrap();
    clock.set(START + seconds(600));
    fail(&breaker(&store, touchy(), clock.clone())).await.unwrap_err();
    assert_eq!(store.record().state, CircuitState::Open);
    assert!(is_refused(&succeed(&circuit).await));
}

#[tokio::test(start_paused = true)]
async fn f14_a_clock_that_steps_back_keeps_no_circuit_open() {
    let (store, clock) = (Store::new(), Arc::new(ManualClock::at(START)));
    let circuit = breaker(&store, five_a_minute(), clock.clone());
    for _ in 0..5 {
        fail(&circuit).await.unwrap_err();
    }
    assert_eq!(store.record().state, CircuitState::Open);
    // The circuit is open for at most the longest open duration of the policy, whatever the record says.
    clock.set(START - seconds(20));
    assert!(is_refused(&succeed(&circuit).await));
    // No process whose clock agrees with this one could have stored such an end, so probes decide.
    clock.set(START - seconds(300));
    for _ in 0..2 {
        succeed(&circuit).await.unwrap();
    }
    assert_eq!(store.record().state, CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn without_time_to_refresh_no_call_passes_by_an_old_snapshot() {
    let store = Store::new();
    let fleet = fleet(&store, &touchy(), 2);
    succeed(&fleet[1]).await.unwrap();
    fail(&fleet[0]).await.unwrap_err();
    let hurried = Deadline::within(millis(40));
    assert!(hurried.scope(fleet[1].acquire()).await.is_ok(), "fresh it will do");
    sleep(seconds(5)).await;
    let hurried = Deadline::within(millis(40));
    let refused = hurried.scope(fleet[1].acquire()).await.unwrap_err();
    assert_eq!(refused.cause, Cause::Stale);
}

/// Starts a server that answers each connection after 100 ms, or never. It runs on threads of its own, so
/// it continues while the runtime of the test is stopped.
fn server(answers: bool) -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut connections = Vec::new();
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            if answers {
                std::thread::sleep(millis(100));
                std::io::Write::write_all(&mut connection, b"well").unwrap();
            }
            connections.push(connection);
        }
    });
    address
}

/// The process is stopped until long after the time of the call is over.
#[tokio::test]
async fn f10_an_answer_that_came_while_the_process_was_stopped_counts_and_a_missing_one_does_not() {
    for answers in [true, false] {
        let (store, address) = (Store::new(), server(answers));
        let mut policy = touchy();
        policy.call_timeout = seconds(1);
        let circuit = breaker(&store, policy, VirtualClock::new());
        let connected = Notify::new();
        let call = circuit.call(async || {
            let mut connection = tokio::net::TcpStream::connect(address).await?;
            connected.notify_one();
            let mut answer = [0; 4];
            connection.read_exact(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        });
        let stop = async {
            connected.notified().await;
            std::thread::sleep(millis(1_500));
        };
        let (called, ()) = tokio::join!(call, stop);
        match answers {
            true => assert_eq!(&called.unwrap(), b"well"),
            false => assert!(matches!(called, Err(CircuitError::TimedOut { .. })), "{called:?}"),
        }
        assert_eq!(store.record().state, CircuitState::Closed);
    }
}
