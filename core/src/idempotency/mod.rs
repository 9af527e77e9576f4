//! One effect for one key: the record, the contract of its store, and the rules.

pub(crate) mod decide;
mod policy;
mod provider;
pub(crate) mod record;

pub use policy::IdempotencyPolicy;
pub use provider::IdempotencyProvider;
pub use record::IdempotencyRecord;
