//! The memory backend keeps the contract, `RetryingRegister` keeps its promises on a connection that
//! fails, and registers that break the contract are caught.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and what it prints is shown with its failure"
)]

mod conformance;
mod down;
mod mutant;
mod mutants;
mod retry;
mod retry_mutants;
mod throttled;
mod wire;
