//! Processes are stopped with calls in flight. Each call has been answered when they go on.

use std::thread;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use funcify::circuit::{CircuitState, CountRule};
use funcify::{CircuitBreaker, CircuitPolicy, Stores};
use tokio::time::sleep;

use super::fleet;
use crate::support::attempt::unique;
use crate::support::{env, http, idp};

/// How many calls each process has in flight. If all of them failed, the circuit would open.
const CALLS: usize = 5;

/// How long the service takes to answer.
const ANSWER: Duration = Duration::from_millis(500);

fn policy() -> CircuitPolicy {
    CircuitPolicy::new(CountRule::new(5, Duration::from_secs(60)))
}

/// Represents one process by its own runtime, which is stopped with everything in it. Returns how many
/// calls succeeded.
fn process(store: &str, circuit: &str, service: &str) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stores = Stores::from_url(store).await.unwrap();
        let breaker = CircuitBreaker::new(circuit, policy(), stores.circuits).unwrap();
        let client = idp::http();
        // Connects, as a process is connected after its first call.
        breaker.call(async || client.get(service).send().await).await.unwrap();
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..CALLS {
            let (breaker, client, service) = (breaker.clone(), client.clone(), service.to_owned());
            calls.spawn(async move {
                breaker.call(async || client.get(service).send().await).await.is_ok()
            });
        }
        // All calls are sent by the end of this sleep. Then the thread blocks until the answers have
        // arrived and all timeouts have passed.
        sleep(ANSWER / 2).await;
        thread::sleep(policy().call_timeout + Duration::from_secs(2));
        calls.join_all().await.into_iter().filter(|succeeded| *succeeded).count()
    })
}

async fn counts_every_answer_on(store: String) {
    let _alone = fleet::alone().await;
    let answer = || async {
        sleep(ANSWER).await;
        "answer"
    };
    let service = http::serve(Router::new().route("/", get(answer))).await;
    let (circuit, processes) = (unique("thawed"), env::scaled(20));
    let mut stopped = Vec::new();
    for _ in 0..processes {
        let (store, circuit, service) = (store.clone(), circuit.clone(), service.clone());
        stopped.push(tokio::task::spawn_blocking(move || process(&store, &circuit, &service)));
    }
    let mut succeeded = 0;
    for process in stopped {
        succeeded += process.await.unwrap();
    }
    let stores = Stores::from_url(&store).await.unwrap();
    let record = CircuitBreaker::new(&*circuit, policy(), stores.circuits).unwrap().record().await;
    println!("{store}: {succeeded} of {} calls succeeded, {:?}", processes * CALLS, record.state);
    assert_eq!((succeeded, record.state), (processes * CALLS, CircuitState::Closed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f10_answers_that_came_while_processes_were_stopped_count_on_redis() {
    counts_every_answer_on(fleet::redis().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f10_answers_that_came_while_processes_were_stopped_count_on_dynamodb() {
    counts_every_answer_on(fleet::dynamodb().await).await;
}
