//! A kind of record that is not of funcify's own, on every store: one type that implements `Record`, and no change anywhere
//! else.

mod quota;

use std::time::Duration;

use funcify::StoreErrorKind;
use funcify::register::{
    Corruption, Record, RecordName, RetryingRegister, Swap, Versioned, WriteId,
};
use funcify_backend_memory::MemoryBackend;
use funcify_backend_redis::{RedisBackend, RedisConfig};
use serde_json::json;
use tokio::time::sleep;

use crate::support::attempt::unique;
use crate::support::{aws, env};
use quota::{NewerQuota, Quota, UnreadableQuota};

#[tokio::test]
async fn a_third_kind_of_record_works_in_memory() {
    works_on(&RetryingRegister::new(MemoryBackend::new())).await;
}

#[tokio::test]
async fn a_third_kind_of_record_works_on_redis() {
    for url in [env::redis(), env::redis_cluster()] {
        let config = RedisConfig::parse(&url).unwrap();
        works_on(&RetryingRegister::new(RedisBackend::new(config).unwrap())).await;
    }
}

#[tokio::test]
async fn a_third_kind_of_record_works_on_dynamodb() {
    works_on(&RetryingRegister::new(aws::dynamodb().await)).await;
}

#[tokio::test]
async fn a_third_kind_of_record_works_on_ssm() {
    works_on(&RetryingRegister::new(aws::ssm().await)).await;
}

async fn works_on(store: &RetryingRegister) {
    it_is_read_and_replaced(store).await;
    a_late_write_conflicts_with_what_is_there(store).await;
    an_older_version_keeps_the_members_of_a_newer_one(store).await;
    a_corrupt_record_is_empty_and_can_be_replaced(store).await;
    a_record_too_large_for_the_store_is_refused_whole(store).await;
}

async fn it_is_read_and_replaced(store: &RetryingRegister) {
    let name = name();
    assert_eq!(store.read_record::<Quota>(&name).await.unwrap(), None);

    let (first, id) = (Quota::of(1), WriteId::random());
    let swap = store.swap_record(&name, None, id, &first).await.unwrap();
    let Swap::Applied(version) = swap else { panic!("a first write conflicts: {swap:?}") };
    assert_eq!(WriteId::from(version), id);
    assert_eq!(read(store, &name, id).await, Versioned::new(first, version));

    let (second, id) = (Quota::of(2), WriteId::random());
    let swap = store.swap_record(&name, Some(version), id, &second).await.unwrap();
    let Swap::Applied(version) = swap else { panic!("a write on its version conflicts: {swap:?}") };
    assert_eq!(read(store, &name, id).await, Versioned::new(second, version));
}

async fn a_late_write_conflicts_with_what_is_there(store: &RetryingRegister) {
    let (name, id) = (name(), WriteId::random());
    write(store, &name, id, &Quota::of(1)).await;
    let late = store.swap_record(&name, None, WriteId::random(), &Quota::of(7)).await.unwrap();
    let Swap::Conflict(current) = late else { panic!("a late write is applied: {late:?}") };
    if let Some(current) = current {
        assert_eq!((current.value, WriteId::from(current.version)), (Quota::of(1), id));
    }
    assert_eq!(read::<Quota>(store, &name, id).await.value, Quota::of(1));
}

async fn an_older_version_keeps_the_members_of_a_newer_one(store: &RetryingRegister) {
    let (name, id) = (name(), WriteId::random());
    let newer = NewerQuota { used: 1, owner: json!({ "team": ["a", "b"] }) };
    write(store, &name, id, &newer).await;

    let mut found = read::<Quota>(store, &name, id).await;
    assert_eq!((found.value.used, found.corruption), (1, None));
    found.value.used = 2;
    let id = WriteId::random();
    let swap = store.swap_record(&name, Some(found.version), id, &found.value).await.unwrap();
    assert!(matches!(swap, Swap::Applied(_)), "{swap:?}");
    assert_eq!(read::<NewerQuota>(store, &name, id).await.value, NewerQuota { used: 2, ..newer });
}

async fn a_corrupt_record_is_empty_and_can_be_replaced(store: &RetryingRegister) {
    let (name, id) = (name(), WriteId::random());
    write(store, &name, id, &UnreadableQuota { used: "many".to_owned() }).await;

    let found = read::<Quota>(store, &name, id).await;
    assert_eq!(found.value, Quota::default());
    assert_eq!(found.corruption, Some(Corruption::Unreadable));

    let id = WriteId::random();
    let swap = store.swap_record(&name, Some(found.version), id, &Quota::of(3)).await.unwrap();
    assert!(matches!(swap, Swap::Applied(_)), "{swap:?}");
    assert_eq!(read::<Quota>(store, &name, id).await.value, Quota::of(3));
}

/// Memory has no limit, Redis one of half a gigabyte.
async fn a_record_too_large_for_the_store_is_refused_whole(store: &RetryingRegister) {
    let (name, id) = (name(), WriteId::random());
    let large = NewerQuota { used: 1, owner: json!("x".repeat(500_000)) };
    match store.swap_record(&name, None, id, &large).await {
        Ok(Swap::Applied(_)) => assert_eq!(read::<NewerQuota>(store, &name, id).await.value, large),
        Ok(conflict) => panic!("a first write conflicts: {conflict:?}"),
        Err(error) => {
            assert_eq!(error.kind(), StoreErrorKind::Invalid);
            assert_eq!(store.read_record::<Quota>(&name).await.unwrap(), None);
        }
    }
}

fn name() -> RecordName {
    RecordName::try_from(unique("quota")).unwrap()
}

async fn write<T: Record + std::fmt::Debug>(
    store: &RetryingRegister,
    name: &RecordName,
    id: WriteId,
    record: &T,
) {
    let swap = store.swap_record(name, None, id, record).await.unwrap();
    assert!(matches!(swap, Swap::Applied(_)), "{swap:?}");
}

/// Reads until the write `id` is visible: reads of SSM may be stale.
async fn read<T: Record>(store: &RetryingRegister, name: &RecordName, id: WriteId) -> Versioned<T> {
    for _ in 0..50 {
        let found = store.read_record::<T>(name).await.unwrap();
        if let Some(found) = found.filter(|found| WriteId::from(found.version) == id) {
            return found;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("the write {id} is not visible");
}
