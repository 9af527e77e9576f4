//! The shared token: its record, the contract of its store, and the rules.

mod decide;
#[cfg(test)]
mod model;
mod policy;
mod provider;
mod record;
mod transition;

pub use crate::name::TokenKey;
pub use decide::{Asker, Decision, decide, tries};
pub use policy::TokenPolicy;
pub use provider::TokenPersistenceProvider;
pub use record::{AccessToken, Holder, Lease, RememberedFailure, TokenRecord};
pub use transition::{Fault, Minted};
