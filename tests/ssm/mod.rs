//! The SSM backend, with the real SDK.

mod contract;
mod fake;
mod faults;
mod refusals;
mod requests;
mod storm;
