//! The value of a parameter, and the log of its versions.

mod log;
#[cfg(test)]
mod model;
mod value;

pub(crate) use log::{Claim, Entry, KEPT, Log, Reading, Unknown};
pub(crate) use value::{Content, decode, encode};
