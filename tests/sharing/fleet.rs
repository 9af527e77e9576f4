//! A fleet of processes, which each run the example `fleet_member`.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

use crate::support::process::{Process, example};
use crate::support::{aws, env, idp};

/// How long to wait for a member: longer than any of them takes.
const PATIENCE: Duration = Duration::from_secs(40);

/// One fleet at a time, so that its members have the machine to themselves.
pub(super) async fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::const_new(());
    ONE.lock().await
}

/// The URLs of the shared stores, ready for use.
pub(crate) async fn redis() -> String {
    format!("{}?prefix=funcify-test", env::redis())
}

pub(crate) async fn dynamodb() -> String {
    aws::dynamodb().await;
    env::dynamodb()
}

pub(crate) async fn ssm() -> String {
    env::ssm()
}

#[derive(Debug)]
pub(crate) struct Member {
    process: Process,
}

impl Member {
    pub(crate) fn start(store: &str, name: &str, steps: &str) -> Self {
        let mut command = command(name, steps);
        command.env("FUNCIFY_BACKEND", store);
        Self::run(command)
    }

    pub(crate) fn run(command: Command) -> Self {
        Self { process: Process::start(command) }
    }

    /// The result of this step, which the member takes once.
    pub(crate) async fn took(&self, step: &str) -> Value {
        self.process.prints(&format!(r#""step":"{step}""#), PATIENCE).await;
        let printed = self.process.stdout();
        let steps = printed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        steps.into_iter().find(|line| line["step"] == step).unwrap()
    }

    /// Waits until the member has taken all of its steps.
    pub(crate) async fn ended(mut self) {
        let status = self.process.ended(PATIENCE).await;
        assert!(status.success(), "{}", self.process.stderr());
    }
}

/// A member without a store, whatever the environment of this test.
pub(crate) fn command(name: &str, steps: &str) -> Command {
    configured(example("fleet_member"), name, steps)
}

/// A member without a store that runs this build of the example.
pub(super) fn configured(mut command: Command, name: &str, steps: &str) -> Command {
    command.arg(name).args(steps.split_whitespace());
    for variable in ["BACKEND", "TOKENS", "CIRCUITS", "IDEMPOTENCY", "SEAL_KEYS"] {
        command.env_remove(format!("FUNCIFY_{variable}"));
    }
    // Each fleet has its own client, so that its grants can be counted.
    command.env("FUNCIFY_ISSUER", env::idp());
    command.env("FUNCIFY_CLIENT_ID", client(name));
    command.env("FUNCIFY_CLIENT_SECRET", env::idp_secret());
    command.env("FUNCIFY_SCOPE", "orders:read");
    command
}

/// How many tokens the identity provider granted to the fleet with this name.
pub(crate) async fn grants(name: &str) -> u64 {
    idp::grants(&client(name)).await
}

fn client(name: &str) -> String {
    format!("basic-{name}")
}
