//! The circuit's journeys, through the public API only, on a small store of our own and on virtual
//! time.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "how a test fails")]

mod broken;
mod closing;
mod golden;
mod mutants;
mod opening;
mod operator;
mod outage;
mod overtime;
mod properties;
mod rate;
mod riders;
mod sampled;
mod storms;
mod support;
mod thaw;
mod through_tower;
