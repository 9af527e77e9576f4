//! Tests of the test support itself.

mod env;
mod own_redis;
mod own_servers;
mod process;
mod proxy;
mod repeated;
mod runtime_api;
