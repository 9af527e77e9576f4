//! The register in DynamoDB, through the real SDK.

mod contract;
mod faults;
mod refusals;
mod storm;
mod table;
mod twins;
