//! The shared circuit: its record, the contract of its store, the rules and the breaker.
//!
//! A [`CircuitBreaker`] stands in front of one dependency. Its state, a [`CircuitRecord`], is shared
//! by the whole fleet through a [`CircuitStateProvider`]; what moves it is the pure functions in
//! [`rules`], by a [`CircuitPolicy`]. The chapter `docs/circuit.md` says how to choose its numbers.

mod breaker;
mod bucket;
mod error;
mod event;
mod instance;
mod layer;
mod policy;
mod provider;
mod record;
pub mod rules;

pub use crate::name::CircuitName;
pub use breaker::{CircuitBreaker, Guard};
pub use bucket::Bucket;
pub use error::{CircuitConfigError, CircuitError, CircuitOpen};
pub use event::CircuitEvent;
pub use instance::Instance;
pub use layer::{CircuitLayer, CircuitService, Classify};
pub use policy::{CircuitPolicy, PolicyFault, Rule, SlowCalls, StoreDown};
pub use provider::CircuitStateProvider;
pub use record::{Cause, CircuitRecord, CircuitState, Failure, Override, OverrideMode, Probe};
pub use rules::CallOutcome;
