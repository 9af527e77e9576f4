//! Registers judged by concurrent histories, and the judge itself.

mod judge;
mod memory;
mod wrong;
