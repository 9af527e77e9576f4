//! Processes that share only the store. What one of them finds out, the others know.

mod circuit;
mod far;
pub(crate) mod fleet;
mod real_time;
mod thawed;
mod token;
mod versions;
