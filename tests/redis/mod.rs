//! The Redis backend on real servers: one node, TLS with a user of few permissions, a cluster.

mod cluster;
mod contract;
mod faults;
mod large;
mod mutants;
mod raw;
mod refusals;
mod requests;
mod rights;
mod server;
mod sign_in;
mod storm;

use funcify_backend_redis::{RedisBackend, RedisConfig};

use crate::support::attempt::{HOUR, attempt, body, circuit, n_of, write};

pub(crate) fn register(url: &str) -> RedisBackend {
    RedisBackend::new(RedisConfig::parse(url).unwrap()).unwrap()
}
