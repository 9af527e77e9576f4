//! The pipeline, from the Lambda event to a handler and back.

pub mod pip;
pub mod policy;
