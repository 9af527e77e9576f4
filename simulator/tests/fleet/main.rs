//! The simulator: its figures are repeatable, its limits hold and catch broken fleets, and its command works.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod command;
mod limits;
mod mutants;
mod repeatable;
