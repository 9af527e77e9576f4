//! Tools that the tests of several crates share.
//!
//! - [`Hooked`] puts hooks between a breaker or a getter and its store.
//! - [`LogCapture`] collects log lines.
//! - [`Counts`] collects metrics.
//! - [`on_virtual_time`] measures a wait without waiting.
//! - `FakeGrant` grants tokens without a network.
//!
//! Two further tools are in `funcify_core`, because other code uses them too: the virtual clock
//! ([`funcify_core::engine::VirtualClock`]), and a register that fails on request
//! (`funcify_core::conformance::Faulty`).

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
