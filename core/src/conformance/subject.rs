use std::{fmt, sync::Arc};

use async_trait::async_trait;

use super::Fault;
use crate::{
    StoreError,
    register::{RecordKey, Register, WriteId},
};

/// A store under test.
///
/// Only [`fresh`](Self::fresh) must be given; each of the others lets more checks be exercised.
#[async_trait]
pub trait Subject: fmt::Debug + Send + Sync {
    /// A register on the store, opened as a new process would open it. All of them share the one
    /// store; the checks bring names that it has never seen.
    ///
    /// # Errors
    ///
    /// Whatever opening it failed with: the check is reported as failed.
    async fn fresh(&self) -> Result<Arc<dyn Register>, StoreError>;

    /// Puts `raw` under `key`, behind the back of every register, as another program or an operator
    /// would have left it. `false` if this store cannot be made to hold it.
    ///
    /// # Errors
    ///
    /// Whatever the store failed with.
    async fn plant(&self, _key: &RecordKey, _raw: Raw<'_>) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// A register whose way to the store can be broken: [`Faulty`](super::Faulty), or a real client
    /// behind a proxy.
    fn faulty(&self) -> Option<Arc<dyn Breakable>> {
        None
    }

    /// Whether the store's documentation says that a read of a key of this kind may be stale. The
    /// checks then wait until a write is seen.
    fn reads_may_be_stale(&self, _key: &RecordKey) -> bool {
        false
    }
}

/// What foreign hands leave under a key.
#[derive(Clone, Copy, Debug)]
pub enum Raw<'a> {
    /// A record of ours, written by `id`, whose body became `text`: no JSON object.
    Damaged {
        /// The write that the record claims to hold.
        id: WriteId,
        /// What stands in place of the body.
        text: &'a str,
    },
    /// Something that none of ours wrote: it has no write id.
    Foreign(&'a str),
    /// Nothing: what was there is deleted.
    Deleted,
}

/// A register whose way to the store can be broken.
#[async_trait]
pub trait Breakable: fmt::Debug + Send + Sync {
    /// The register. It shares the store of the [`Subject`] that gave it.
    fn register(&self) -> Arc<dyn Register>;

    /// Lets `fault` happen to the next operation of [`register`](Self::register), and to that one
    /// only. `false` if this fault cannot be brought about here.
    async fn arm(&self, fault: Fault) -> bool;
}
