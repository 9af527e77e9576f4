//! [All pages]: https://docs.rs/funcify
//!
#![doc = include_str!("../README.md")]

mod config;
mod connect;
mod credentials;
mod diagnosis;
mod error;
mod inventory;
mod register;
mod route;
mod tls;
mod wire;

pub use config::{RedisConfig, RedisConfigError};
pub use credentials::{IamOptions, IamService, PasswordSource};
pub use register::RedisBackend;
