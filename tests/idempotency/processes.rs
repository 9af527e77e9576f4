//! Processes are killed or stopped inside the work.

use std::time::Duration;

use serde_json::Value;

use crate::sharing::fleet;
use crate::support::attempt::unique;
use crate::support::process::Process;

/// How long to wait for a process: longer than a claim of the example lasts, with time for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn member(store: &str, name: &str, steps: &str) -> Process {
    let mut command = fleet::command(name, steps);
    command.env("FUNCIFY_BACKEND", store);
    Process::start(command)
}

/// The line that a process printed about this step.
fn printed(process: &Process, step: &str) -> Option<Value> {
    let stdout = process.stdout();
    let mut lines = stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.find(|line| line["step"] == step)
}

async fn begun(process: &Process) -> Value {
    process.prints(r#""step":"began""#, PATIENCE).await;
    printed(process, "began").unwrap()
}

async fn answered(mut process: Process) -> Value {
    let status = process.ended(PATIENCE).await;
    assert!(status.success(), "{}", process.stderr());
    printed(&process, "once").unwrap()
}

/// The other processes wait. One of them takes over when the claim ends, and all get its answer.
async fn a_killed_claimant_is_followed_by_one_other(store: String) {
    for _ in 0..3 {
        let name = unique("killed");
        let mut dies = member(&store, &name, "once 60000");
        let first = begun(&dies).await;
        let others: Vec<Process> = (0..3).map(|_| member(&store, &name, "once 50")).collect();
        dies.kill();
        let mut answers = Vec::new();
        let mut begun = Vec::new();
        for mut other in others {
            other.ended(PATIENCE).await;
            begun.extend(printed(&other, "began"));
            answers.push(answered(other).await["answer"].clone());
        }
        assert_eq!(begun.len(), 1, "one took over: {begun:?}");
        assert_eq!((&first["attempt"], &begun[0]["attempt"]), (&1.into(), &2.into()));
        assert!(begun[0]["fence"].as_i64() > first["fence"].as_i64());
        assert!(answers[0].is_u64() && answers.iter().all(|one| *one == answers[0]), "{answers:?}");
    }
}

/// A process is stopped in the middle of the work, another one takes over, and the first one goes on.
async fn a_stopped_claimant_takes_no_further_step(store: String) {
    for _ in 0..2 {
        let name = unique("stopped");
        let stopped = member(&store, &name, "once 1500");
        begun(&stopped).await;
        stopped.pause();
        let other = answered(member(&store, &name, "once 50")).await;
        assert!(other["answer"].is_u64(), "{other}");
        stopped.resume();
        stopped.prints(r#""step":"once""#, PATIENCE).await;
        assert!(printed(&stopped, "worked").is_none(), "it went on: {}", stopped.stdout());
        let end = answered(stopped).await;
        assert!(end["error"].as_str().unwrap().contains("ended before it was done"), "{end}");
        let last = answered(member(&store, &name, "once 50")).await;
        assert_eq!(last["answer"], other["answer"], "one answer");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claimant_that_is_killed_inside_the_work_is_followed_by_one_other_on_redis() {
    a_killed_claimant_is_followed_by_one_other(fleet::redis().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claimant_that_is_killed_inside_the_work_is_followed_by_one_other_on_dynamodb() {
    a_killed_claimant_is_followed_by_one_other(fleet::dynamodb().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claimant_that_is_stopped_inside_the_work_takes_no_further_step_on_redis() {
    a_stopped_claimant_takes_no_further_step(fleet::redis().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claimant_that_is_stopped_inside_the_work_takes_no_further_step_on_dynamodb() {
    a_stopped_claimant_takes_no_further_step(fleet::dynamodb().await).await;
}
