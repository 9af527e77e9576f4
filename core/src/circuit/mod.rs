//! The shared circuit: the breaker, its policy, and the record that the fleet shares.
//!
//! A [`CircuitBreaker`] protects the calls to one dependency. The whole fleet shares its state, a
//! [`CircuitRecord`], through a [`CircuitStateProvider`]. A [`CircuitPolicy`] says when the circuit
//! opens, by a [`CountRule`] or a [`RateRule`], and how it closes again.
//!
//! Each instance keeps a copy of the record in memory, its *snapshot*, and decides by that copy while it
//! is fresh. It *reports* the outcomes that matter to the record. While the circuit is half-open, single
//! calls are admitted as *probes*. Each probe has a *lease* in the record, which ends by itself.

mod breaker;
pub(crate) mod bucket;
mod error;
mod event;
pub(crate) mod history;
pub(crate) mod instance;
mod layer;
mod policy;
mod provider;
pub(crate) mod record;
pub(crate) mod rules;
mod state;

pub use breaker::{CircuitBreaker, Guard};
pub use error::{CircuitConfigError, CircuitError, CircuitOpen};
pub use event::CircuitEvent;
pub use layer::CircuitLayer;
pub use policy::{CircuitPolicy, StoreDown};
pub use provider::CircuitStateProvider;
pub use record::{CircuitRecord, Override, OverrideMode};
pub use rules::{CallOutcome, CountRule, RateRule};
pub use state::{Cause, CircuitState};

pub(crate) use self::{
    bucket::Bucket,
    history::Transition,
    instance::Instance,
    record::{Failure, Probe},
};
