//! The vocabulary, the contracts and the pure rules of [funcify](https://docs.rs/funcify).
//!
//! A fleet shares three things: a token, the state of its circuits, and what was done for a key. All are records in one
//! [`Register`](register::Register): read what is there, and replace it only if it is still what you
//! read. A store only keeps records. Every decision about them is made in this crate, by pure
//! functions.
//!
//! You need this crate if you write a store. A function needs only `funcify`, which re-exports what a
//! function uses.
//!
//! This crate knows no HTTP, no AWS and no Lambda.

mod chance;
pub mod circuit;
mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
mod deadline;
mod diagnosis;
#[doc(hidden)]
pub mod engine;
mod error;
mod error_chain;
pub mod idempotency;
mod metrics;
mod name;
pub mod register;
mod stored_time;
mod timestamp;
pub mod token;
mod virtual_clock;

pub(crate) use chance::Chance;
pub(crate) use clock::{Clock, SystemClock};
pub use deadline::{Deadline, DeadlineExceeded};
pub use error::{StoreError, StoreErrorKind};
pub use timestamp::Timestamp;

/// The examples of the README are compiled with those of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
