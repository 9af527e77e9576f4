use std::panic::catch_unwind;
use std::process::Command;
use std::time::Duration;

use crate::support::process::{Process, example};

const SOON: Duration = Duration::from_secs(10);

fn shell(script: &str) -> Process {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    Process::start(command)
}

#[tokio::test]
async fn a_process_keeps_its_output_and_exit_code() {
    let mut process = shell("echo out; echo err >&2; exit 3");

    let status = process.ended(SOON).await;

    assert_eq!(status.code(), Some(3));
    assert_eq!((process.stdout().as_str(), process.stderr().as_str()), ("out\n", "err\n"));
}

#[tokio::test]
async fn a_dropped_process_is_killed() {
    let mut process = shell("echo ready; exec sleep 60");
    process.prints("ready", SOON).await;
    assert!(process.is_running());
    let id = process.id();

    drop(process);

    let mut lookup = shell(&format!("kill -0 {id}"));
    assert!(!lookup.ended(SOON).await.success());
}

#[test]
fn the_error_for_a_missing_example_says_how_to_build_it() {
    let panic = catch_unwind(|| example("no-such-example")).unwrap_err();

    let message = panic.downcast::<String>().unwrap();
    assert!(message.ends_with("run cargo build --examples"), "{message}");
}
