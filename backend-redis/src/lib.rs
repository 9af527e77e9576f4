#![doc = include_str!("../README.md")]

mod config;
mod connect;
mod error;
mod register;
mod route;
mod tls;
mod wire;

pub use config::{RedisConfig, RedisConfigError};
pub use register::RedisBackend;
