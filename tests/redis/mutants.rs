//! Mutants: scripts with one mistake each. The conformance suite must catch all of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use funcify_core::conformance::{self, Raw, Subject};
use funcify_core::register::{
    Body, PollPolicy, RecordKey, Register, Swap, Version, Versioned, WriteId,
};
use funcify_core::{StoreError, StoreErrorKind};

use crate::support::redis::{OwnRedis, command};

/// The correct script. It differs from the real one only in its replies, which are text.
const RIGHT: &str = "\
local key, expected, id, keep, rec = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local held = redis.call('HMGET', key, 'id', 'rec')
local current = held[1] or ''
if current == id then return 'done' end
if current ~= expected then return current .. ' ' .. (held[2] or '') end
redis.call('HSET', key, 'id', id, 'rec', rec)
redis.call('PEXPIRE', key, keep)
return 'done'
";

const SAME_ID: &str = "if current == id then return 'done' end\n";
const COMPARE: &str = "if current ~= expected then return current .. ' ' .. (held[2] or '') end\n";

/// A register that runs a script, with one connection for each command.
#[derive(Clone, Debug)]
struct Mutant {
    server: SocketAddr,
    script: String,
    /// How far the clock of the writer is behind, for a script with an absolute expiry.
    behind: Duration,
    /// Whether the versions are a counter.
    counts: bool,
}

impl Mutant {
    async fn say(&self, words: &[&str]) -> Result<String, StoreError> {
        let unavailable = |error| StoreError::new("mutant", StoreErrorKind::Unavailable, error);
        let reply = command(self.server, words).await.map_err(unavailable)?;
        match reply.strip_prefix('-') {
            Some(error) => Err(StoreError::new("mutant", StoreErrorKind::Invalid, error)),
            None => Ok(reply),
        }
    }
}

fn place(key: &RecordKey) -> String {
    format!("mutant:{key}")
}

fn read(text: &str) -> Option<Versioned<Body>> {
    let (id, rec) = text.split_once(' ')?;
    let version = Version::from(id.parse::<WriteId>().ok()?);
    Some(match rec.parse::<Body>() {
        Ok(body) => Versioned::new(body, version),
        Err(corruption) => {
            Versioned { value: Body::default(), version, corruption: Some(corruption) }
        }
    })
}

#[async_trait]
impl Register for Mutant {
    async fn read(&self, key: &RecordKey) -> Result<Option<Versioned<Body>>, StoreError> {
        let script = "local held = redis.call('HMGET', KEYS[1], 'id', 'rec') \
                      return (held[1] or '') .. ' ' .. (held[2] or '')";
        Ok(read(&self.say(&["EVAL", script, "1", &place(key)]).await?))
    }

    async fn swap(
        &self,
        key: &RecordKey,
        expected: Option<Version>,
        id: WriteId,
        body: &Body,
        keep_for: Duration,
    ) -> Result<Swap<Body>, StoreError> {
        let expected =
            expected.map(|version| WriteId::from(version).to_string()).unwrap_or_default();
        let keep_for = keep_for.clamp(Duration::from_secs(1), Duration::from_secs(86_400 * 3_660));
        let keep = match self.behind {
            Duration::ZERO => keep_for,
            behind => UNIX_EPOCH.elapsed().unwrap() + keep_for - behind,
        };
        let (place, keep) = (place(key), keep.as_millis().to_string());
        let id = id.to_string();
        let words = ["EVAL", &self.script, "1", &place, &expected, &id, &keep, &body.to_string()];
        let answer = self.say(&words).await?;
        Ok(match answer.strip_prefix("done") {
            Some(counted) if self.counts => {
                Swap::Applied(Version::from(counted.parse::<WriteId>().unwrap()))
            }
            Some(_) => Swap::Applied(Version::from(id.parse::<WriteId>().unwrap())),
            None => Swap::Conflict(read(&answer)),
        })
    }

    fn poll_policy(&self) -> PollPolicy {
        PollPolicy::default()
    }
}

#[derive(Debug)]
struct MutantSubject(Mutant);

#[async_trait]
impl Subject for MutantSubject {
    async fn fresh(&self) -> Result<Arc<dyn Register>, StoreError> {
        Ok(Arc::new(self.0.clone()))
    }

    async fn inject(&self, key: &RecordKey, raw: Raw<'_>) -> Result<bool, StoreError> {
        let place = place(key);
        self.0.say(&["DEL", &place]).await?;
        match raw {
            Raw::Corrupt { id, text } => {
                self.0.say(&["HSET", &place, "id", &id.to_string(), "rec", text]).await?;
            }
            Raw::Foreign(text) => {
                self.0.say(&["HSET", &place, "rec", text]).await?;
            }
            Raw::Deleted => {}
        }
        Ok(true)
    }
}

async fn failures(script: String, behind: Duration, counts: bool) -> Vec<String> {
    let redis = OwnRedis::start().await;
    let mutant = Mutant { server: redis.address(), script, behind, counts };
    conformance::run(&MutantSubject(mutant)).await.failed
}

fn without(part: &str) -> String {
    assert!(RIGHT.contains(part));
    RIGHT.replace(part, "")
}

#[tokio::test]
async fn the_correct_script_passes() {
    let failures = failures(RIGHT.to_owned(), Duration::ZERO, false).await;
    assert!(failures.is_empty(), "{failures:?}");
}

#[tokio::test]
async fn mutant_that_writes_without_comparing_is_caught() {
    let failures = failures(without(COMPARE), Duration::ZERO, false).await;
    assert!(failures.iter().any(|check| check.starts_with("L2")), "{failures:?}");
}

#[tokio::test]
async fn mutant_that_does_not_recognize_its_own_write_is_caught() {
    let failures = failures(without(SAME_ID), Duration::ZERO, false).await;
    assert!(failures.iter().any(|check| check.starts_with("L10")), "{failures:?}");
}

#[tokio::test]
async fn mutant_that_checks_for_its_own_write_last_is_caught() {
    let late = RIGHT.replace(SAME_ID, "").replace(COMPARE, &format!("{COMPARE}{SAME_ID}"));
    let failures = failures(late, Duration::ZERO, false).await;
    assert!(failures.iter().any(|check| check.starts_with("L10")), "{failures:?}");
}

#[tokio::test]
async fn mutant_with_an_absolute_expiry_and_a_slow_clock_is_caught() {
    let absolute = RIGHT.replace("PEXPIRE'", "PEXPIREAT'");
    let failures = failures(absolute, Duration::from_secs(7_200), false).await;
    assert!(!failures.is_empty());
}

#[tokio::test]
async fn mutant_with_a_counter_as_version_is_caught() {
    let counter = RIGHT
        .replace("redis.call('HSET'", "id = string.format('%032x', tonumber(current == '' and '0' or current, 16) + 1)\nredis.call('HSET'")
        .replace("return 'done'\n", "return 'done' .. id\n")
        .replace(SAME_ID, "");
    let failures = failures(counter, Duration::ZERO, true).await;
    assert!(failures.iter().any(|check| check.starts_with("L4")), "{failures:?}");
}

#[tokio::test]
async fn mutant_that_never_replaces_a_foreign_hash_is_caught() {
    let wedged = RIGHT.replace(
        "if current ~= expected",
        "if redis.call('EXISTS', key) == 1 and current == '' then return ' ' end\nif current ~= expected",
    );
    let failures = failures(wedged, Duration::ZERO, false).await;
    assert!(failures.iter().any(|check| check.starts_with("L9")), "{failures:?}");
}

#[tokio::test]
async fn mutant_that_sets_the_expiry_last_is_denied_after_it_has_written() {
    let redis = OwnRedis::start().await;
    let user = ["ACL", "SETUSER", "default", "-pexpire"];
    assert_eq!(redis.command(&user).await.unwrap(), "+OK");

    let id = WriteId::random().to_string();
    let words = ["EVAL", RIGHT, "1", "mutant:denied", "", &id, "1000", "{}"];
    assert!(redis.command(&words).await.unwrap().starts_with('-'));

    assert_eq!(
        redis.command(&["HGET", "mutant:denied", "id"]).await.unwrap(),
        id,
        "an error, although it was written"
    );
}

/// A connection that loses the response to a swap and sends the swap again by itself, after another
/// writer: what a client with its own retries does.
#[derive(Clone)]
struct Repeating {
    connection: redis::aio::MultiplexedConnection,
    between: Vec<String>,
}

impl redis::aio::ConnectionLike for Repeating {
    fn req_packed_command<'a>(
        &'a mut self,
        command: &'a redis::Cmd,
    ) -> redis::RedisFuture<'a, redis::Value> {
        Box::pin(async move {
            self.connection.req_packed_command(command).await?;
            let mut other = redis::cmd(&self.between[0]);
            other.arg(&self.between[1..]);
            self.connection.req_packed_command(&other).await?;
            self.connection.req_packed_command(command).await
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a redis::Pipeline,
        offset: usize,
        count: usize,
    ) -> redis::RedisFuture<'a, Vec<redis::Value>> {
        self.connection.req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}

#[tokio::test]
async fn mutant_that_repeats_commands_reports_its_own_write_as_a_conflict() {
    let redis = OwnRedis::start().await;
    let key = super::circuit("repeating");
    super::write(&super::register(&redis.url()), &super::circuit("script"), None, 1).await;
    let client = redis::Client::open(redis.url()).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    let other = WriteId::random().to_string();
    let between = ["HSET", &format!("funcify:{key}"), "id", &other].map(str::to_owned).to_vec();
    let repeating = Repeating { connection, between };
    let register = funcify_backend_redis::RedisBackend::with_client(repeating, "funcify").unwrap();

    let swap = super::attempt(&register, &key, None, 7).await;

    assert!(
        matches!(swap, Ok(Swap::Conflict(Some(found))) if super::n_of(&found) == 7),
        "applied, although it was reported as a conflict"
    );
}
