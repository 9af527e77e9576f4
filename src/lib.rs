//! One pipeline for every Lambda event, one token and one circuit for the whole fleet.

pub mod api;
pub mod backend;
pub mod http;
pub mod local;
pub mod pipeline;
pub mod sealed;
pub mod simulator;
pub mod testing;
pub mod token;

pub use api::Api;
pub use backend::{Backend, ConfigError, Stores};
pub use funcify_core::{
    Deadline,
    circuit::{self, CircuitBreaker, CircuitPolicy},
};
pub use pipeline::{
    Invocation, Message, Pipeline, Problem, S3Object, pip::Pip, policy::Policy, run, run_streaming,
};
pub use token::{ClientCredentials, TokenGetter};
