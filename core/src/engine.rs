//! What the crates of funcify share with each other: the clock, chance and the pure rules.
//!
//! Not part of the public API: anything here may change in any release.

pub use crate::{
    chance::Chance,
    clock::{Clock, ManualClock, SystemClock},
    virtual_clock::VirtualClock,
};
