//! What the journeys stand on: the servers that `tests/run` starts, and stand-ins that a test owns and may ill-treat.

pub(crate) mod attempt;
pub(crate) mod aws;
pub(crate) mod env;
pub(crate) mod events;
pub(crate) mod http;
pub(crate) mod idp;
pub(crate) mod linearize;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod redis;
pub(crate) mod runtime_api;
