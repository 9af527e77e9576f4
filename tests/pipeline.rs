//! From the event to the handler and back, through the public API only.

mod batches;
mod corpus;
mod hostile;
mod kinds;
mod local;
mod requests;
mod responses;
mod steps;
mod twins;
