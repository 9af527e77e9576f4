use std::{fmt, sync::Arc};

use async_trait::async_trait;

use super::Fault;
use crate::{
    StoreError,
    register::{RecordKey, Register, WriteId},
};

/// A store under test.
///
/// Only [`fresh`](Self::fresh) is required. With each of the other methods, the suite can exercise more
/// checks. The example of [the module](super) implements this trait.
#[async_trait]
pub trait Subject: fmt::Debug + Send + Sync {
    /// Opens a register on the store, as a new process would. All of these registers must use the same store.
    ///
    /// # Errors
    ///
    /// Why the store could not be opened. The check is then reported as failed.
    async fn fresh(&self) -> Result<Arc<dyn Register>, StoreError>;

    /// Stores `raw` at `key` without a register, as another program or an operator would. `false` if this
    /// store cannot hold such content. The default implementation returns `false`.
    ///
    /// # Errors
    ///
    /// The error of the store.
    async fn inject(&self, _key: &RecordKey, _raw: Raw<'_>) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Returns a register on the same store whose connection [`enable_fault`](Self::enable_fault) can break,
    /// such as a real client behind a proxy. The default implementation returns `None`.
    fn faulty(&self) -> Option<Arc<dyn Register>> {
        None
    }

    /// Makes `fault` happen to the next operation of the register that [`faulty`](Self::faulty) returns, and
    /// to no other. `false` if this subject cannot cause the fault. The default implementation returns
    /// `false`.
    async fn enable_fault(&self, _fault: Fault) -> bool {
        false
    }

    /// Whether a read of this key may be stale, as the documentation of the store says. The checks then wait
    /// until a write is visible. The default implementation returns `false`.
    fn reads_may_be_stale(&self, _key: &RecordKey) -> bool {
        false
    }
}

/// Content that no register has written.
#[derive(Clone, Copy, Debug)]
pub enum Raw<'a> {
    /// A record with a valid write id, whose body is corrupt.
    Corrupt {
        /// The id of the write that the record claims to hold.
        id: WriteId,
        /// The text in place of the body. It is not a JSON object.
        text: &'a str,
    },
    /// Text of another program, without a write id.
    Foreign(&'a str),
    /// No content: delete the record.
    Deleted,
}
