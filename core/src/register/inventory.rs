use std::fmt;

use async_trait::async_trait;

use super::{RecordKind, RecordName};
use crate::StoreError;

/// Lists the records of a store, for the people who operate a fleet, and their tools.
///
/// A function never lists records. Listing needs more rights than a [`Register`](super::Register) does,
/// and reads the whole store: with `SCAN` on Redis, `Scan` on DynamoDB, and `GetParametersByPath` on SSM.
///
/// # Examples
///
/// ```
/// use funcify_core::{StoreError, circuit::CircuitRecord, register::{Inventory, Record}};
///
/// async fn print_circuits(store: &dyn Inventory) -> Result<(), StoreError> {
///     for name in store.list(CircuitRecord::KIND).await? {
///         println!("{name}");
///     }
///     Ok(())
/// }
/// # let _ = print_circuits;
/// ```
#[async_trait]
pub trait Inventory: fmt::Debug + Send + Sync + 'static {
    /// Returns the names of the records of this kind under the store's prefix, sorted, each once.
    ///
    /// A record that is written or deleted meanwhile may or may not be listed. A read of a listed name may
    /// return `None`: the record was deleted, or another program wrote the item at its key. Keys whose names
    /// are not legal for a record are left out.
    ///
    /// # Errors
    ///
    /// The error of the store as a [`StoreError`]. It is not retried.
    async fn list(&self, kind: RecordKind) -> Result<Vec<RecordName>, StoreError>;
}
