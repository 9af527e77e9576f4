//! The command on real servers, which `tests/run` starts.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod doctor;
mod fake_aws;
mod idempotency;
mod steer;
mod support;
mod watch;
