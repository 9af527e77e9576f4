//! Tests of the circuit breaker with a small store, on virtual time.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "how a test fails")]

mod clocks;
mod closing;
mod coalesced;
mod freeze;
mod mutants;
mod opening;
mod operator;
mod outage;
mod overtime;
mod sampled;
mod storms;
mod support;
mod through_tower;
