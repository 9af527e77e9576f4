//! Tests that must pass on every store: sealed tokens, mixed stores, killed writers, broken connections,
//! and the cost.

mod authority;
mod dead_connections;
mod far;
mod faults;
mod killed;
mod mixed;
mod one_wait;
mod raw;
mod sealed;
mod start;
