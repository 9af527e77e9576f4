//! The access token that a fleet shares: its record, the contract of its store, and its policy.
//!
//! A fleet fetches one token and renews it before it expires. The *lease* in the [`TokenRecord`] is the
//! right of one process to ask the identity provider for the next token. All others wait for its result,
//! or use the current token while it is valid.

pub(crate) mod decide;
#[cfg(test)]
mod model;
mod policy;
mod provider;
pub(crate) mod record;
pub(crate) mod transition;

pub use policy::TokenPolicy;
pub use provider::TokenPersistenceProvider;
pub use record::{AccessToken, TokenRecord};
pub(crate) use record::{Lease, RememberedFailure};
