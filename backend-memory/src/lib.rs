#![doc = include_str!("../README.md")]

mod inventory;
mod register;

pub use register::MemoryBackend;
