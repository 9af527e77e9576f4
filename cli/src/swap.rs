//! Changes a record with a compare-and-swap. If the record has changed meanwhile, the change is tried on
//! the newer version.

use std::time::Duration;

use funcify_core::{
    StoreErrorKind,
    engine::Chance,
    register::{Record, RecordName, RetryingRegister, Swap, WriteId},
};

use crate::error::Failed;

/// The most rounds of tries while other writers are faster, and the longest pause between two rounds.
const ATTEMPTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(200);

/// The tries in one round, without a pause. A conflict returns the newer record, so the next try needs no
/// read. That makes it faster than a writer that reads before each write.
const AT_ONCE: usize = 4;

/// Writes the record that `change` makes of the current one. If `change` returns `None`, there is nothing to
/// change: nothing is written, and the result is `false`.
pub(crate) async fn change<T: Record + Clone>(
    store: &RetryingRegister,
    name: &RecordName,
    change: impl Fn(T) -> Option<T>,
) -> Result<bool, Failed> {
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
                // The next read shows whether the change was stored.
                Err(error) if error.kind() == StoreErrorKind::Ambiguous => {
                    doubt = Some(id);
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        tokio::time::sleep(Chance::from_entropy().up_to(PAUSE)).await;
    }
    Err(Failed::Busy)
}
