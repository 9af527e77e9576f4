//! The shared circuit: its record, the contract of its store, the rules and the breaker.

mod error;
mod provider;
mod record;

pub use crate::name::CircuitName;
pub use error::{CircuitError, Open};
pub use provider::CircuitStateProvider;
pub use record::{CircuitRecord, CircuitState};
