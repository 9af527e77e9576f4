//! The access token: one grant for the whole fleet, whatever fails.

mod assertion;
mod certified;
mod clocks;
mod cold;
mod custom;
mod faults;
pub(crate) mod fleet;
mod frozen;
mod hanging;
mod hostile;
mod meaning;
mod mutants;
mod observed;
mod provider_down;
mod rejected;
mod repeated;
mod replies;
mod sealed;
mod secret_by_url;
mod steady;
mod stores;
mod throttled;
