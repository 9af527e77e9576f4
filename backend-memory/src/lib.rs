//! [All pages]: https://docs.rs/funcify
//!
#![doc = include_str!("../README.md")]

mod diagnosis;
mod inventory;
mod register;

pub use register::MemoryBackend;
