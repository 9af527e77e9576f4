//! The DynamoDB backend, with the real SDK.

mod contract;
mod faults;
mod mutants;
mod refusals;
mod storm;
mod table;
