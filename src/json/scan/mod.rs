//! Finds members in JSON text that is known to be valid, and decodes nothing.

mod members;
mod scanner;

pub(crate) use members::{first_of, members};
pub(crate) use scanner::{Scan, ScanError};
