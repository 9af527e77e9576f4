//! The stand-ins are trusted because these tests try them first.

mod env;
mod own_redis;
mod process;
mod proxy;
mod runtime_api;
