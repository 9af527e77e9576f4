//! Checks that the registers are linearizable, and that the check itself is right.

mod blind;
mod judge;
mod live;
mod memory;
mod wrong;
