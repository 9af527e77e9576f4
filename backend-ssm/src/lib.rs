#![doc = include_str!("../README.md")]

mod config;
mod connect;
mod error;
mod register;
mod wire;

pub use config::{SsmConfig, Tier};
pub use error::{SsmConfigError, SsmError};
pub use register::SsmBackend;
