//! A change of a record: a swap that loses against a newer version, and is then tried on that one.

use std::time::Duration;

use funcify_core::{
    StoreError, StoreErrorKind,
    engine::Chance,
    register::{Record, RecordName, RetryingRegister, Swap, WriteId},
};

/// How often a change is tried while other writers are faster, and how long it waits in between at most.
const ATTEMPTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(200);

/// A conflict shows the newer record, so the change is tried on that at once. A writer that reads before each write loses
/// against that. Only after so many conflicts in a row it waits.
const AT_ONCE: usize = 4;

/// Writes what `change` makes of the record. `None` from it means that there is nothing to change; then
/// nothing is written and the result is false.
pub(crate) async fn change<T: Record + Clone>(
    store: &RetryingRegister,
    name: &RecordName,
    change: impl Fn(T) -> Option<T>,
) -> Result<bool, StoreError> {
    let mut doubt = None;
    for _ in 0..ATTEMPTS {
        let mut found = store.read_record::<T>(name).await?;
        for _ in 0..AT_ONCE {
            let expected = found.as_ref().map(|found| found.version);
            if doubt.is_some() && expected.map(WriteId::from) == doubt {
                return Ok(true);
            }
            let Some(next) = change(found.map(|found| found.value).unwrap_or_default()) else {
                return Ok(false);
            };
            let id = WriteId::random();
            match store.swap_record(name, expected, id, &next).await {
                Ok(Swap::Applied(_)) => return Ok(true),
                Ok(Swap::Conflict(newer)) => found = newer,
                // It may have been stored: the next read shows it.
                Err(error) if error.kind() == StoreErrorKind::Ambiguous => {
                    doubt = Some(id);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        tokio::time::sleep(Chance::from_entropy().up_to(PAUSE)).await;
    }
    let busy = "other processes kept changing the record";
    Err(StoreError::new("store", StoreErrorKind::Unavailable, busy))
}
