//! Processes that share only the store: what one of them learns, the others know.

mod circuit;
pub(crate) mod fleet;
mod real_time;
mod token;
mod versions;
