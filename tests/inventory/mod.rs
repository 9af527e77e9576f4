//! What a store lists, on each kind of server: the records of one kind under its own prefix.

use std::collections::BTreeSet;

use aws_sdk_ssm::types::ParameterType;
use funcify_backend_dynamodb::DynamoDbBackend;
use funcify_backend_memory::MemoryBackend;
use funcify_backend_redis::{RedisBackend, RedisConfig};
use funcify_backend_ssm::{SsmBackend, SsmConfig};
use funcify_core::StoreErrorKind;
use funcify_core::idempotency::IdempotencyRecord;
use funcify_core::register::{
    Body, Inventory, Record, RecordKey, RecordKind, RecordName, Register, WriteId,
};

use crate::support::attempt::HOUR;
use crate::support::redis::OwnRedis;
use crate::support::{aws, env};

/// Kinds of which one begins as the other, and one that nothing is written of. Random, because the servers
/// are shared.
struct Kinds {
    one: RecordKind,
    longer: RecordKind,
    none: RecordKind,
}

impl Kinds {
    fn new() -> Self {
        let tag = WriteId::random().to_string();
        let kind = |end: &str| RecordKind::new(format!("k{}{end}", &tag[..12]).leak());
        Self { one: kind(""), longer: kind(".x"), none: kind("-none") }
    }
}

async fn write(register: &impl Register, kind: RecordKind, name: &str) {
    let mut key = RecordKey::of::<funcify_core::circuit::CircuitRecord>(name.parse().unwrap());
    key.kind = kind;
    register.swap(&key, None, WriteId::random(), &Body::default(), HOUR).await.unwrap();
}

/// `theirs` has another prefix of the same server.
async fn lists_what_was_written<R: Register + Inventory>(ours: &R, theirs: &R, count: usize) {
    let kinds = Kinds::new();
    assert_eq!(ours.list(kinds.one).await.unwrap(), []);

    let names: Vec<_> = (0..count).map(|n| format!("r{n:04}.-_Z")).collect();
    for names in names.chunks(8) {
        let writes = names.iter().map(|name| write(ours, kinds.one, name));
        futures_util::future::join_all(writes).await;
    }
    write(ours, kinds.longer, "longer").await;
    write(theirs, kinds.one, "theirs").await;

    let expected: Vec<RecordName> = names.iter().map(|name| name.parse().unwrap()).collect();
    assert_eq!(ours.list(kinds.one).await.unwrap(), expected, "in order, each once");
    assert_eq!(ours.list(kinds.longer).await.unwrap(), ["longer".parse().unwrap()]);
    assert_eq!(ours.list(kinds.none).await.unwrap(), []);
    assert_eq!(theirs.list(kinds.one).await.unwrap(), ["theirs".parse().unwrap()]);

    // The longest name that a key of idempotency can have.
    let name: RecordName = format!("{}.{}", "s".repeat(20), &random_text()[..43]).parse().unwrap();
    let key = RecordKey::of::<IdempotencyRecord>(name.clone());
    ours.swap(&key, None, WriteId::random(), &Body::default(), HOUR).await.unwrap();
    assert!(ours.list(IdempotencyRecord::KIND).await.unwrap().contains(&name));
}

fn random_text() -> String {
    [WriteId::random(), WriteId::random()].map(|id| id.to_string()).concat()
}

fn redis(url: &str, prefix: &str) -> RedisBackend {
    RedisBackend::new(RedisConfig::parse(url).unwrap().with_prefix(prefix)).unwrap()
}

#[tokio::test]
async fn the_memory_lists_its_records() {
    let (ours, theirs) = (MemoryBackend::new(), MemoryBackend::new());
    lists_what_was_written(&ours, &theirs, 30).await;
}

#[tokio::test]
async fn a_redis_lists_its_records_over_several_scans() {
    let own = OwnRedis::start().await;
    let url = own.url();
    lists_what_was_written(&redis(&url, "funcify"), &redis(&url, "funcify2"), 2_500).await;
}

#[tokio::test]
async fn a_valkey_lists_its_records() {
    let url = env::valkey();
    lists_what_was_written(&redis(&url, "funcify-test"), &redis(&url, "funcify"), 30).await;
}

#[tokio::test]
async fn a_cluster_lists_the_records_of_all_its_masters() {
    let url = env::redis_cluster();
    lists_what_was_written(&redis(&url, "funcify-test"), &redis(&url, "funcify"), 60).await;
}

#[tokio::test]
async fn a_redis_lists_no_name_that_a_record_cannot_have() {
    let own = OwnRedis::start().await;
    let (register, kinds) = (redis(&own.url(), "funcify"), Kinds::new());
    write(&register, kinds.one, "ours").await;
    for foreign in ["a b", "", "a:b", &"x".repeat(65)] {
        let key = format!("funcify:{}:{foreign}", kinds.one);
        own.command(&["SET", &key, "foreign"]).await.unwrap();
    }
    assert_eq!(register.list(kinds.one).await.unwrap(), ["ours".parse().unwrap()]);
}

#[tokio::test]
async fn the_operator_in_operator_redis_acl_lists_and_a_function_is_denied() {
    let own = OwnRedis::start().await;
    for (name, acl) in [
        ("operator", include_str!("../../deploy/operator-redis.acl")),
        ("funcify", include_str!("../../deploy/redis.acl")),
    ] {
        let acl = acl.replace("PREFIX", "funcify");
        let words = acl.split_whitespace().skip(2);
        let command: Vec<_> = ["ACL", "SETUSER", name, "reset"].into_iter().chain(words).collect();
        assert_eq!(own.command(&command).await.unwrap(), "+OK");
    }
    let url = |user| format!("redis://{user}:PASSWORD@{}", own.address());
    let (operator, function) =
        (redis(&url("operator"), "funcify"), redis(&url("funcify"), "funcify"));
    let kinds = Kinds::new();
    write(&operator, kinds.one, "ours").await;
    assert_eq!(operator.list(kinds.one).await.unwrap(), ["ours".parse().unwrap()]);
    let denied = function.list(kinds.one).await.unwrap_err();
    assert_eq!(denied.kind(), StoreErrorKind::Denied, "{denied:?}");
}

#[tokio::test]
async fn dynamodb_lists_its_records_over_several_pages() {
    let ours = aws::dynamodb().await;
    let config = aws::dynamodb_config().with_prefix("other");
    let theirs = DynamoDbBackend::new(config, &aws::config(None).await).unwrap();
    lists_what_was_written(&ours, &theirs, 60).await;
}

#[tokio::test]
async fn ssm_lists_its_records_over_several_pages() {
    let ours = aws::ssm().await;
    let path = env::ssm().replacen("ssm:///", "ssm:///other-", 1);
    let aws = aws::config(None).await;
    let config = SsmConfig::parse(&path).unwrap().with_attempt_timeout(aws::PATIENCE);
    let theirs = SsmBackend::new(config, &aws).unwrap();
    lists_what_was_written(&ours, &theirs, 25).await;

    // Not a child, but a grandchild of the path; and a value that is not a record.
    let kinds = Kinds::new();
    let client = aws_sdk_ssm::Client::new(&aws);
    let base = env::ssm().trim_start_matches("ssm://").split('?').next().unwrap().to_owned();
    for name in ["foreign", "deep/er"] {
        let name = format!("{base}/{}/{name}", kinds.one);
        let put = client.put_parameter().name(name).value("x").r#type(ParameterType::SecureString);
        put.send().await.unwrap();
    }
    let listed: BTreeSet<_> = ours.list(kinds.one).await.unwrap().into_iter().collect();
    assert_eq!(listed, BTreeSet::from(["foreign".parse().unwrap()]));
}
