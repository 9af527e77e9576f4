//! The memory backend keeps the contract, and registers that break it are caught.

mod conformance;
