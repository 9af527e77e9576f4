//! The vocabulary, the contracts and the pure rules of [funcify](https://docs.rs/funcify).
//!
//! A fleet shares two things, a token and the state of its circuits. Both are views of one
//! [`Register`](register::Register): read what is there, replace it only if it is still what was
//! read. A backend only stores; everything that decides stands here, once, and is pure.
//!
//! This crate knows no HTTP, no AWS and no Lambda.

pub mod chance;
pub mod circuit;
pub mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod deadline;
#[doc(hidden)]
pub mod engine;
pub mod error;
pub mod name;
pub mod register;
pub mod token;
mod virtual_clock;

pub use chance::Chance;
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use deadline::{Deadline, DeadlineExceeded, PendingReport};
pub use error::{StoreError, StoreErrorKind};
