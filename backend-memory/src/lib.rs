#![doc = include_str!("../README.md")]

mod diagnosis;
mod inventory;
mod register;

pub use register::MemoryBackend;
