//! The self token: one grant for the whole fleet, whatever happens to it.

mod certified;
mod cold;
mod faults;
pub(crate) mod fleet;
mod hostile;
mod mutants;
mod observed;
mod provider_down;
mod rejected;
mod replies;
mod sealed;
mod steady;
mod stores;
