//! f25: version 0.1 and this version share one store, as during a deployment. Each version reads and keeps
//! what the other one wrote, in either order.
//!
//! `tests/run --long` builds version 0.1 from the git history. Without `--long`, the tests that run
//! processes of both versions are reported as ignored. The tests with stored records of version 0.1 always
//! run.

mod circuit;
mod history;
mod recorded;
mod token;

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use funcify_backend_redis::{RedisBackend, RedisConfig};
use funcify_core::register::{Body, RecordKey, Register, Swap, WriteId};
use serde_json::Value;

use super::fleet::{self, Member};
use crate::support::attempt::HOUR;
use crate::support::process::{Process, example};
use crate::support::{aws, env};

/// A build of the example `fleet_member`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Build {
    Old,
    New,
}

/// Which version comes first, and which second.
const ORDERS: [[Build; 2]; 2] = [[Build::Old, Build::New], [Build::New, Build::Old]];

impl Build {
    fn command(self, store: &Store, name: &str, steps: &str) -> Command {
        let member = match self {
            Self::Old => Command::new(env::old_member()),
            Self::New => example("fleet_member"),
        };
        let mut command = fleet::configured(member, name, steps);
        command.env("FUNCIFY_BACKEND", &store.url);
        command
    }

    fn start(self, store: &Store, name: &str, steps: &str) -> Member {
        Member::run(self.command(store, name, steps))
    }

    /// The result of one step that a new process takes.
    async fn takes(self, store: &Store, name: &str, steps: &str) -> Value {
        result(self.command(store, name, steps), steps).await
    }
}

/// The result of the last of these steps.
async fn result(command: Command, steps: &str) -> Value {
    let member = Member::run(command);
    let last = steps.split(' ').rfind(|word| word.parse::<u32>().is_err()).unwrap();
    let result = member.took(last).await;
    member.ended().await;
    result
}

/// The text that a process printed to stderr because it could not take its step.
async fn failed(command: Command) -> String {
    let mut process = Process::start(command);
    let status = process.ended(Duration::from_secs(40)).await;
    assert_eq!(status.code(), Some(2), "{} {}", process.stdout(), process.stderr());
    process.stderr()
}

/// A shared store, with direct access to its records.
#[derive(Clone)]
struct Store {
    url: String,
    register: Arc<dyn Register>,
}

async fn redis() -> Store {
    let url = fleet::redis().await;
    let register = RedisBackend::new(RedisConfig::parse(&url).unwrap()).unwrap();
    Store { url, register: Arc::new(register) }
}

async fn dynamodb() -> Store {
    Store { url: fleet::dynamodb().await, register: Arc::new(aws::dynamodb().await) }
}

async fn ssm() -> Store {
    Store { url: fleet::ssm().await, register: Arc::new(aws::ssm().await) }
}

impl Store {
    async fn body(&self, key: &RecordKey) -> Value {
        let found = self.register.read(key).await.unwrap();
        found.map_or(Value::Null, |found| Value::Object(found.value.into()))
    }

    /// Stores this record, whatever record is there.
    async fn put(&self, key: &RecordKey, body: Value) {
        let body: Body = body.to_string().parse().unwrap();
        let found = self.register.read(key).await.unwrap().map(|found| found.version);
        let swap = self.register.swap(key, found, WriteId::random(), &body, HOUR).await.unwrap();
        assert!(matches!(swap, Swap::Applied(_)), "{swap:?}");
    }
}

/// The current time in milliseconds since the Unix epoch.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}
