//! The servers that `tests/run` starts, and fakes and servers of a test's own that it may break.

pub(crate) mod attempt;
pub(crate) mod aws;
pub(crate) mod callgrind;
pub(crate) mod canary;
pub(crate) mod env;
pub(crate) mod events;
pub(crate) mod http;
pub(crate) mod https;
pub(crate) mod idp;
pub(crate) mod linearize;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod redis;
pub(crate) mod runtime_api;
pub(crate) mod throttle;
