//! [All pages]: https://docs.rs/funcify
//!
#![doc = include_str!("../README.md")]

mod config;
mod connect;
mod diagnosis;
mod error;
mod inventory;
mod register;
mod table;
mod table_key;
mod table_name;
mod wire;

pub use config::DynamoDbConfig;
pub use error::{DynamoDbConfigError, DynamoDbError};
pub use funcify_backend_aws::{AwsConfigError, AwsError};
pub use register::DynamoDbBackend;
