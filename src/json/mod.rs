//! Reading JSON text: where members stand, what strings hold, and errors that quote nothing.

pub(crate) mod decode;
pub(crate) mod error;
pub(crate) mod members;
pub(crate) mod scan;
pub(crate) mod string;
pub(crate) mod text;
pub(crate) mod unescape;

pub use error::JsonError;
