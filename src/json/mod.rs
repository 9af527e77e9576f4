//! Reads JSON text: finds members, decodes strings and records, and reports errors without values.

pub(crate) mod decode;
pub(crate) mod error;
pub(crate) mod object;
pub(crate) mod redact;
pub(crate) mod scan;
mod string;
pub(crate) mod text;
mod unescape;

pub(crate) use crate::json_error::JsonError;
