#![doc = include_str!("../README.md")]

mod config;
mod connect;
mod error;
mod register;
mod table;
mod wire;

pub use config::DynamoDbConfig;
pub use error::{DynamoDbConfigError, DynamoDbError};
pub use funcify_backend_aws::{AwsConfigError, AwsError};
pub use register::DynamoDbBackend;
