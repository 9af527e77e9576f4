//! What holds on every store: a token is sealed, two stores stand beside each other, and what it costs.

mod authority;
mod killed;
mod mixed;
mod raw;
mod sealed;
mod start;
