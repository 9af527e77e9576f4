//! The DynamoDB backend, with the real SDK.

mod contract;
mod faults;
mod keys;
mod mutants;
mod refusals;
mod requests;
mod storm;
mod table;
