//! Models of what a fleet does, checked state by state.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "how a test fails")]
#![allow(clippy::print_stdout, reason = "the bounds and what was found within them")]

mod circuit;
mod clocks;
mod graph;
mod idempotency;
mod swap;

/// Whether the wide bounds are wanted, which take minutes.
fn is_long() -> bool {
    std::env::var("FUNCIFY_TEST_LONG").is_ok_and(|long| long == "1")
}
