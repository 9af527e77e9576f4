//! What holds on every store: sealed tokens, mixed stores, killed writers, and the cost.

mod authority;
mod killed;
mod mixed;
mod raw;
mod sealed;
mod start;
