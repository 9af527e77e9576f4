//! Models of a fleet. A model checker explores all of their states.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "how a test fails")]
#![allow(clippy::print_stdout, reason = "the bounds and what was found within them")]

mod circuit;
mod clocks;
mod graph;
mod idempotency;
mod swap;

/// Whether to check the wide bounds too, which takes minutes.
fn is_long() -> bool {
    std::env::var("FUNCIFY_TEST_LONG").is_ok_and(|long| long == "1")
}
