//! The register in SSM Parameter Store, through the real SDK.

mod contract;
mod fake;
mod faults;
mod refusals;
mod requests;
mod storm;
