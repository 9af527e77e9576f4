//! The complete contract on each kind of server.

use std::sync::Arc;

use async_trait::async_trait;
use funcify_backend_redis::{RedisBackend, RedisConfig};
use funcify_core::conformance::{self, Fault, Faulty, Raw, Report, Subject};
use funcify_core::register::{RecordKey, Register};
use funcify_core::{StoreError, StoreErrorKind};
use tokio::sync::Mutex;

use super::raw::Wire;
use crate::support::env;
use crate::support::proxy::{FaultProxy, Mode};

const PREFIX: &str = "funcify-test";

/// A kind of server under test, with a connection of its own to inject records.
#[derive(Debug)]
struct Kind {
    config: RedisConfig,
    wire: Mutex<Wire>,
    faulty: Broken,
}

/// A client whose connection breaks.
#[derive(Debug)]
enum Broken {
    /// As a wrapper pretends.
    Pretended(Faulty<RedisBackend>),
    /// At a proxy in front of the server.
    Really(FaultProxy, RedisBackend),
}

impl Kind {
    async fn new(url: &str) -> Self {
        let config = RedisConfig::parse(url).unwrap().with_prefix(PREFIX);
        let register = RedisBackend::new(config.clone()).unwrap();
        let faulty = Broken::Pretended(Faulty::new(Arc::new(register)));
        Self { config, wire: Mutex::new(Wire::to(url).await), faulty }
    }

    async fn behind_a_proxy(url: &str) -> Self {
        let server = url.trim_start_matches("redis://").parse().unwrap();
        let proxy = FaultProxy::start(server).await;
        let config = RedisConfig::new("127.0.0.1", proxy.address().port()).with_prefix(PREFIX);
        let faulty = Broken::Really(proxy, RedisBackend::new(config).unwrap());
        Self { faulty, ..Self::new(url).await }
    }
}

#[async_trait]
impl Subject for Kind {
    async fn fresh(&self) -> Result<Arc<dyn Register>, StoreError> {
        RedisBackend::new(self.config.clone())
            .map(|register| Arc::new(register) as Arc<dyn Register>)
            .map_err(|error| StoreError::new("redis", StoreErrorKind::Invalid, error))
    }

    async fn inject(&self, key: &RecordKey, raw: Raw<'_>) -> Result<bool, StoreError> {
        let key = format!("{PREFIX}:{key}");
        let mut wire = self.wire.lock().await;
        wire.say(&["DEL", &key]).await;
        match raw {
            Raw::Corrupt { id, text } => {
                wire.say(&["HSET", &key, "id", &id.to_string(), "rec", text]).await;
            }
            Raw::Foreign(text) => {
                wire.say(&["HSET", &key, "rec", text]).await;
            }
            Raw::Deleted => {}
        }
        Ok(true)
    }

    fn faulty(&self) -> Option<Arc<dyn Register>> {
        Some(match &self.faulty {
            Broken::Pretended(register) => Arc::new(register.clone()),
            Broken::Really(_, register) => Arc::new(register.clone()),
        })
    }

    async fn enable_fault(&self, fault: Fault) -> bool {
        match (&self.faulty, fault) {
            (Broken::Pretended(register), fault) => register.script([fault]),
            (Broken::Really(proxy, _), Fault::Pass) => proxy.set(Mode::Pass).await,
            (Broken::Really(proxy, _), Fault::LoseRequest) => proxy.once(Mode::CutRequest).await,
            (Broken::Really(proxy, _), Fault::LoseReply) => proxy.once(Mode::CutResponse).await,
            (Broken::Really(..), _) => return false,
        }
        true
    }
}

fn assert_passed(kind: &str, report: &Report) {
    println!("{kind}\n{report}");
    assert!(report.failed.is_empty(), "the register breaks its contract\n{report}");
    assert!(report.passed.len() >= 60, "{} checks", report.passed.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_on_one_node() {
    let url = env::redis();
    assert_passed("one node", &conformance::run(&Kind::new(&url).await).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_on_valkey() {
    let url = env::valkey();
    assert_passed("valkey", &conformance::run(&Kind::new(&url).await).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_over_tls_for_a_user_of_few_permissions() {
    assert_passed("TLS", &conformance::run(&Kind::new(&env::redis_tls()).await).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_on_a_cluster() {
    assert_passed("cluster", &conformance::run(&Kind::new(&env::redis_cluster()).await).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_on_a_connection_that_breaks() {
    let redis = crate::support::redis::OwnRedis::start().await;
    let behind_a_proxy = Kind::behind_a_proxy(&redis.url()).await;
    assert_passed("broken connection", &conformance::run(&behind_a_proxy).await);
}

/// An existing connection.
#[derive(Debug)]
struct Existing(redis::aio::MultiplexedConnection);

#[async_trait]
impl Subject for Existing {
    async fn fresh(&self) -> Result<Arc<dyn Register>, StoreError> {
        RedisBackend::with_client(self.0.clone(), PREFIX)
            .map(|register| Arc::new(register) as Arc<dyn Register>)
            .map_err(|error| StoreError::new("redis", StoreErrorKind::Invalid, error))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_on_an_existing_connection() {
    let client = redis::Client::open(env::redis()).unwrap();
    let subject = Existing(client.get_multiplexed_async_connection().await.unwrap());
    let report = conformance::run(&subject).await;
    println!("{report}");
    assert!(report.failed.is_empty(), "the register breaks its contract\n{report}");
}
