//! The register in DynamoDB, through the real SDK.

mod contract;
mod faults;
mod mutants;
mod refusals;
mod storm;
mod table;
