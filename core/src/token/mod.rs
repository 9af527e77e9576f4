//! The shared token: its record, the contract of its store, and the rules.

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
