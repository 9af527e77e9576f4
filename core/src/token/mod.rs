//! The shared token: its record, the contract of its store, and the rules.

mod provider;
mod record;

pub use crate::name::TokenKey;
pub use provider::TokenPersistenceProvider;
pub use record::{AccessToken, Holder, Lease, RememberedFailure, TokenRecord};
