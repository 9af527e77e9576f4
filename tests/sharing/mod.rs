//! Processes that have nothing in common but the store: what one of them learns, the others know.

mod circuit;
pub(crate) mod fleet;
mod token;
