use std::{fmt, sync::Arc};

use async_trait::async_trait;

use super::Fault;
use crate::{
    StoreError,
    register::{RecordKey, Register, WriteId},
};

/// A store under test.
///
/// Only [`fresh`](Self::fresh) is required. Each of the other methods lets the suite exercise more
/// checks.
#[async_trait]
pub trait Subject: fmt::Debug + Send + Sync {
    /// A register on the store, opened as a new process would open it. All of them share one store.
    /// The checks use names that are new to it.
    ///
    /// # Errors
    ///
    /// The error of opening it. The check is then reported as failed.
    async fn fresh(&self) -> Result<Arc<dyn Register>, StoreError>;

    /// Stores `raw` at `key` without a register, as another program or an operator would. `false` if
    /// this store cannot hold it.
    ///
    /// # Errors
    ///
    /// The error of the store.
    async fn inject(&self, _key: &RecordKey, _raw: Raw<'_>) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// A register on the same store whose connection can be broken: a real client behind a proxy,
    /// for example. [`enable_fault`](Self::enable_fault) breaks it.
    fn faulty(&self) -> Option<Arc<dyn Register>> {
        None
    }

    /// Makes `fault` happen to the next operation of the register that [`faulty`](Self::faulty)
    /// returns, and only to that one. `false` if this fault is not possible here.
    async fn enable_fault(&self, _fault: Fault) -> bool {
        false
    }

    /// Whether a read of a key of this kind may be stale, as the documentation of the store says. The
    /// checks then wait until a write is visible.
    fn reads_may_be_stale(&self, _key: &RecordKey) -> bool {
        false
    }
}

/// Content that no register has written.
#[derive(Clone, Copy, Debug)]
pub enum Raw<'a> {
    /// A record of ours, written by `id`, whose body is `text`, which is not a JSON object.
    Corrupt {
        /// The write that the record claims to hold.
        id: WriteId,
        /// What is stored in place of the body.
        text: &'a str,
    },
    /// Text that another program wrote. It has no write id.
    Foreign(&'a str),
    /// Nothing: the record is deleted.
    Deleted,
}
