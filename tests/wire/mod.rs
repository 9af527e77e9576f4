//! What a function sends to Lambda, byte by byte.

mod answers;
mod emulator;
mod log;
mod message;
mod start;

use std::process::Command;
use std::time::{Duration, Instant};

use funcify::testing::TestEvent;
use serde_json::Value;

use crate::support::process::{Process, example};
use crate::support::runtime_api::{InvocationResult, RuntimeApi};
use message::Message;

/// The timeout of most functions.
const LIMIT: Duration = Duration::from_secs(5);

/// The function of `tests/wire_function`.
struct Function {
    api: RuntimeApi,
    process: Process,
}

impl Function {
    /// How it runs is the first argument of the function.
    async fn start(how: &str) -> Self {
        Self::start_with(how, LIMIT, |_, _| {}).await
    }

    async fn start_with(
        how: &str,
        limit: Duration,
        change: impl FnOnce(&mut Command, &RuntimeApi),
    ) -> Self {
        let api = RuntimeApi::start(limit).await;
        let mut command = example("wire_function");
        command.arg(how).envs(api.environment());
        for name in ["RUST_LOG", "AWS_LAMBDA_LOG_LEVEL", "AWS_LAMBDA_LOG_FORMAT"] {
            command.env_remove(name);
        }
        change(&mut command, &api);
        Self { process: Process::start(command), api }
    }

    async fn answers(&self, event: &TestEvent) -> InvocationResult {
        self.api.invoke(event.to_string()).await
    }

    /// The requests with the answer or the error of the invocation, counted from 0, as they were sent.
    fn sent_for(&self, invocation: usize) -> Vec<Message> {
        let id = format!("{invocation:012x}/");
        let sent = self.api.sent();
        let messages = sent.iter().flat_map(|connection| Message::all(connection));
        messages.filter(|message| message.line.contains(&id)).collect()
    }

    /// The lines of the log, once there are so many with the event `end`.
    async fn lines(&self, ends: usize) -> Vec<Value> {
        let until = Instant::now() + LIMIT;
        loop {
            let stdout = self.process.stdout();
            let parse = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{stdout}"));
            let lines: Vec<Value> = stdout.lines().map(parse).collect();
            if lines.iter().filter(|line| line["event"] == "end").count() >= ends {
                return lines;
            }
            assert!(Instant::now() < until, "{stdout}{}", self.process.stderr());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
