//! One effect for one idempotency key: the record of a key, the contract of its store, and the policy.
//!
//! A process writes a *claim* on the key, does the work, and replaces the claim by the answer. Every later
//! call with the same key gets that answer.

pub(crate) mod decide;
mod policy;
mod provider;
pub(crate) mod record;

pub use policy::IdempotencyPolicy;
pub use provider::IdempotencyProvider;
pub use record::IdempotencyRecord;
