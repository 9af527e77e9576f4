#![doc = include_str!("../README.md")]

mod register;

pub use register::MemoryBackend;
