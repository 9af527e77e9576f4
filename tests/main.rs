//! The integration tests of funcify: through its public API, on real servers, which `tests/run` starts.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and what it prints is shown with its failure"
)]

mod api;
mod browser;
mod canary;
mod commands;
mod config;
mod deploy;
mod dynamodb;
mod faults;
mod first_function;
mod growth;
mod idempotency;
mod instructions;
mod inventory;
mod lambda;
mod linearizability;
mod metrics;
mod operations;
mod orders;
mod pipeline;
mod proxied;
mod redis;
mod root_certificates;
mod servers;
mod sharing;
mod ssm;
mod stores;
mod support;
mod support_itself;
mod third_record;
mod token;
mod wire;
