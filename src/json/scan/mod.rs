//! Finds members in JSON text that is known to be valid, and decodes nothing.

mod members;
mod scanner;

pub(crate) use members::{first_of, keep, members, without_null};
pub(crate) use scanner::{Scan, ScanError};
