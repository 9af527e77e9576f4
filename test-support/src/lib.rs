//! What the tests of several crates share. Each tool stands here once.
//!
//! [`Hooked`] puts a hook between an engine and its store, [`LogCapture`] collects what was logged, [`Counts`] what was counted,
//! [`on_virtual_time`] measures a wait without waiting, and `FakeGrant` grants tokens without a network. The virtual clock is
//! [`funcify_core::engine::VirtualClock`], because the simulator uses it too; a register that fails on request is
//! `funcify_core::conformance::Faulty`, because every writer of a store may use it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod counts;
#[cfg(feature = "grant")]
mod grant;
mod hooked;
mod log;
mod virtual_time;

pub use counts::Counts;
#[cfg(feature = "grant")]
pub use grant::{FailureMode, FakeGrant};
pub use hooked::{Hooked, HookedCircuits, HookedTokens, Read, Write};
pub use log::LogCapture;
pub use virtual_time::on_virtual_time;
