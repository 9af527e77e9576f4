//! [All pages]: https://docs.rs/funcify
//!
#![doc = include_str!("../README.md")]

mod config;
mod connect;
mod diagnosis;
mod error;
mod inventory;
mod register;
mod wire;

pub use config::{SsmConfig, Tier};
pub use error::{SsmConfigError, SsmError};
pub use funcify_backend_aws::{AwsConfigError, AwsError};
pub use register::SsmBackend;
