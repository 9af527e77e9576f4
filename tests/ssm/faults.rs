//! f05 and f21: faults of Parameter Store, on the fake.

use std::time::Duration;

use funcify_backend_ssm::{SsmBackend, SsmConfig};
use funcify_core::StoreErrorKind;
use funcify_core::circuit::CircuitRecord;
use funcify_core::register::{RecordKey, Register, RetryingRegister, Swap, WriteId};

use super::fake::FakeSsm;
use crate::support::attempt::{HOUR, attempt, body, circuit, n_of, write};

const PATH: &str = "/fleet";

/// These tests are about answers and not about time: on a busy machine a hundred versions take longer to read.
fn config() -> SsmConfig {
    SsmConfig::new(PATH).with_timeout(Duration::from_secs(5))
}

fn name(key: &RecordKey) -> String {
    format!("{PATH}/{}/{}", key.kind, key.name)
}

async fn fake(of: &str) -> (FakeSsm, SsmBackend, RecordKey) {
    let fake = FakeSsm::default();
    let register = fake.register(config()).await;
    (fake, register, circuit(of))
}

#[tokio::test]
async fn f21_a_refusal_is_classified_and_nothing_is_written() {
    for (code, kind) in [
        ("TooManyUpdates", StoreErrorKind::Unavailable),
        ("ThrottlingException", StoreErrorKind::Throttled),
    ] {
        let (fake, register, key) = fake("refused").await;
        let first = write(&register, &key, None, 1).await;
        fake.contents().refusals.push_back((400, code));
        assert_eq!(attempt(&register, &key, Some(first), 2).await, Err(kind), "{code}");
        assert_eq!(n_of(&register.read(&key).await.unwrap().unwrap()), 1);
        write(&register, &key, Some(first), 2).await;
    }
}

/// `TooManyUpdates` means contention: another update of the same parameter was in progress.
#[tokio::test]
async fn f21_a_report_refused_with_too_many_updates_is_sent_again() {
    let (fake, register, key) = fake("repeated").await;
    fake.contents().refusals.extend([(400, "TooManyUpdates"), (400, "TooManyUpdates")]);
    let store = RetryingRegister::new(register);
    let mut record = CircuitRecord::default();
    record.epoch = 7;
    let swap = store.swap_record(&key.name, None, WriteId::random(), &record).await.unwrap();
    assert!(matches!(swap, Swap::Applied(_)));
    assert_eq!(
        store.read_record::<CircuitRecord>(&key.name).await.unwrap().unwrap().value.epoch,
        7
    );
}

#[tokio::test]
async fn f05_f21_a_throttled_report_is_one_request() {
    let (fake, register, key) = fake("rate").await;
    fake.contents().refusals.push_back((400, "ThrottlingException"));
    let store = RetryingRegister::new(register);
    let record = CircuitRecord::default();
    let swap = store.swap_record(&key.name, None, WriteId::random(), &record).await;
    assert_eq!(swap.unwrap_err().kind(), StoreErrorKind::Throttled);
    assert!(store.read_record::<CircuitRecord>(&key.name).await.unwrap().is_none());
    assert_eq!(fake.contents().gets, 1, "and the read after it");
}

#[tokio::test]
async fn f21_a_version_that_cannot_be_read_yet_is_an_error_and_not_guessed() {
    let (fake, register, key) = fake("late").await;
    let first = write(&register, &key, None, 1).await;
    write(&register, &key, Some(first), 2).await;
    let other = fake.register(config()).await;

    // A reader that has not seen version 2 before must read version 1 to know that 2 is valid.
    fake.contents().late.insert(1);
    assert_eq!(other.read(&key).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    // A stale write was sent, and whether it is valid is unknown, so it is ambiguous.
    assert_eq!(attempt(&other, &key, Some(first), 9).await, Err(StoreErrorKind::Ambiguous));
    fake.contents().late.clear();

    let current = other.read(&key).await.unwrap().unwrap();
    assert_eq!((n_of(&current), current.version.pos()), (2, 2));
}

#[tokio::test]
async fn f21_a_write_that_got_an_internal_error_is_applied_when_it_is_sent_again() {
    let (fake, register, key) = fake("internal").await;
    let first = write(&register, &key, None, 1).await;
    fake.contents().refusals.push_back((500, "InternalServerError"));
    let (id, next) = (WriteId::random(), body(2));
    let lost = register.swap(&key, Some(first), id, &next, HOUR).await.unwrap_err();
    assert_eq!(lost.kind(), StoreErrorKind::Ambiguous);

    let Swap::Applied(made) = register.swap(&key, Some(first), id, &next, HOUR).await.unwrap()
    else {
        panic!("the write conflicts with itself");
    };
    assert_eq!((WriteId::from(made), made.pos()), (id, 2));
    assert_eq!(register.read(&key).await.unwrap().unwrap().version, made);
    assert_eq!(fake.contents().only().0, 3);
}

#[tokio::test]
async fn f21_after_98_invalid_versions_the_valid_one_is_still_found() {
    let (fake, register, key) = fake("losers").await;
    let (old, current) = after_losers(&register, &key, 98).await;
    let other = fake.register(config()).await;
    let read = other.read(&key).await.unwrap().unwrap();
    assert_eq!((read.version, n_of(&read), read.corruption), (current, 2, None));
    assert!(matches!(attempt(&other, &key, Some(old), 9).await, Ok(Swap::Conflict(_))));
}

#[tokio::test]
async fn f21_after_99_invalid_versions_the_record_is_empty_and_one_writer_takes_it_over() {
    let (fake, register, key) = fake("lost").await;
    after_losers(&register, &key, 99).await;
    let (one, two) = (fake.register(config()).await, fake.register(config()).await);
    let (first, second) =
        (one.read(&key).await.unwrap().unwrap(), two.read(&key).await.unwrap().unwrap());
    assert!(first.corruption.is_some() && first.version == second.version);

    let version = write(&one, &key, Some(first.version), 3).await;
    let Ok(Swap::Conflict(Some(current))) = attempt(&two, &key, Some(second.version), 4).await
    else {
        panic!("two writers have taken over");
    };
    assert_eq!((current.version, n_of(&current)), (version, 3));
    write(&two, &key, Some(version), 4).await;
}

/// Two writes that are applied, then `losers` writes that come too late. Returns the first version
/// and the valid one.
async fn after_losers(
    register: &SsmBackend,
    key: &RecordKey,
    losers: u64,
) -> (funcify_core::register::Version, funcify_core::register::Version) {
    let first = write(register, key, None, 1).await;
    let second = write(register, key, Some(first), 2).await;
    for loser in 0..losers {
        let swap = attempt(register, key, Some(first), 100 + loser).await;
        // For the last of them, the version that they expect is no longer kept.
        assert!(matches!(swap, Ok(Swap::Conflict(_)) | Err(StoreErrorKind::Ambiguous)), "{swap:?}");
    }
    (first, second)
}

#[tokio::test]
async fn f21_a_foreign_overwrite_leaves_an_empty_record_with_its_own_version() {
    let (fake, register, key) = fake("foreign").await;
    let ours = write(&register, &key, None, 1).await;
    fake.contents().write(&name(&key), "by hand");

    let empty = register.read(&key).await.unwrap().unwrap();
    assert!(empty.corruption.is_some() && empty.version.pos() == 2);
    assert!(matches!(attempt(&register, &key, Some(ours), 9).await, Ok(Swap::Conflict(_))));
    assert!(matches!(attempt(&register, &key, None, 9).await, Ok(Swap::Conflict(Some(_)))));
    let version = write(&register, &key, Some(empty.version), 2).await;
    let read = register.read(&key).await.unwrap().unwrap();
    assert_eq!((read.version, n_of(&read)), (version, 2));
}

#[tokio::test]
async fn f21_a_write_to_a_deleted_parameter_is_not_applied() {
    let (fake, register, key) = fake("deleted").await;
    let first = write(&register, &key, None, 1).await;
    let second = write(&register, &key, Some(first), 2).await;
    fake.contents().parameters.clear();

    assert_eq!(attempt(&register, &key, Some(second), 3).await, Ok(Swap::Conflict(None)));
    assert_eq!(register.read(&key).await.unwrap(), None);
    // There is a version now, and it is not valid: a first write replaces it.
    let anew = write(&register, &key, None, 4).await;
    assert_eq!(anew.pos(), 2);
    assert_eq!(n_of(&register.read(&key).await.unwrap().unwrap()), 4);
}

#[tokio::test]
async fn f21_a_parameter_created_again_with_the_same_version_number_is_not_the_old_one() {
    let (fake, register, key) = fake("anew").await;
    let old = write(&register, &key, None, 1).await;
    fake.contents().parameters.clear();
    let other = fake.register(config()).await;
    let anew = write(&other, &key, None, 2).await;
    assert_eq!(old.pos(), anew.pos());

    let Ok(Swap::Conflict(Some(current))) = attempt(&register, &key, Some(old), 3).await else {
        panic!("a write to a deleted parameter was applied");
    };
    assert_eq!((current.version, n_of(&current)), (anew, 2));
    for reader in [&register, &other] {
        assert_eq!(n_of(&reader.read(&key).await.unwrap().unwrap()), 2);
    }
}

#[tokio::test]
async fn a_read_of_a_verified_version_is_one_request() {
    let (fake, register, key) = fake("once").await;
    let first = write(&register, &key, None, 1).await;
    write(&register, &key, Some(first), 2).await;
    let before = fake.contents().gets;
    for _ in 0..5 {
        register.read(&key).await.unwrap();
    }
    assert_eq!(fake.contents().gets - before, 5);
}
