//! One pipeline for every Lambda event, one token and one circuit for the whole fleet.

pub mod api;
pub mod backend;
pub mod http;
pub mod local;
pub mod pipeline;
pub mod sealed;
pub mod testing;
pub mod token;

pub use pipeline::{run, run_streaming};
