//! The SSM Parameter Store backend of [funcify](https://docs.rs/funcify): the fleet's token and
//! circuits as SecureString parameters under one path.
//!
//! [`SsmBackend`] is a [`Register`](funcify_core::register::Register), and so both a
//! `TokenPersistenceProvider` and a `CircuitStateProvider`. A read may be stale, for Parameter Store
//! is eventually consistent; a swap is judged on the parameter's own version history and never on a
//! stale read.
//!
//! # Wire form
//!
//! The parameter `{path}/circuit/{name}` or `{path}/token/{key}`, whose value is plain JSON, with
//! braces inside strings as `\u007b` and `\u007d` (a value may not hold `{{`):
//!
//! ```json
//! {"f":1,"base":[41,"<write id of version 41>"],"id":"<write id of this version>","rec":{"state":"open"}}
//! ```
//!
//! # How a swap works without compare-and-set
//!
//! `PutParameter` always writes and answers with the version that it made, so the history is a log
//! in which everybody sees the same order. A version is *valid* if its `base` is the last valid
//! version before it (`null`: there was none); whoever comes too late has written a version that
//! nobody counts. A value that is not of this form counts as a reset: vacant, and replaceable.
//!
//! - Parameter Store keeps 100 versions. After 99 losers in a row the last valid version is gone and
//!   the record is vacant: it fails safe, as if it had been deleted.
//! - A parameter that was deleted and made anew is a new log; a write on top of the old one is not
//!   counted there. funcify itself never deletes.
//! - Writes are few: Parameter Store takes a handful a second. Use DynamoDB or Redis for circuits
//!   that see much trouble.

mod config;
mod connect;
mod error;
mod register;
mod wire;

pub use config::{SsmConfig, Tier};
pub use error::{SsmConfigError, SsmError};
pub use register::SsmBackend;
