//! Processes that share only the store: what one of them learns, the others know.

mod circuit;
mod far;
pub(crate) mod fleet;
mod real_time;
mod thawed;
mod token;
mod versions;
