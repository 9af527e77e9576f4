//! Registers judged by concurrent histories, and the judge itself.

mod blind;
mod judge;
mod live;
mod memory;
mod wrong;
