use std::fmt;

use async_trait::async_trait;

use super::{RecordKind, RecordName};
use crate::StoreError;

/// Lists what a store holds: for the people who operate a fleet, and their tools.
///
/// A function never lists. It needs more rights than a [`Register`](super::Register) does, and reads the
/// whole store: on Redis a `SCAN`, on DynamoDB a `Scan`, on SSM a `GetParametersByPath`.
#[async_trait]
pub trait Inventory: fmt::Debug + Send + Sync + 'static {
    /// The names of the records of this kind under the store's prefix, in order, each once.
    ///
    /// A record that is written or deleted meanwhile may be listed or not. So a listed name may be read
    /// as absent; so may an item at a legal key that is not a record of ours. Keys with names that no
    /// record can have are left out.
    ///
    /// # Errors
    ///
    /// The error of the store, classified; it is not retried.
    async fn list(&self, kind: RecordKind) -> Result<Vec<RecordName>, StoreError>;
}
