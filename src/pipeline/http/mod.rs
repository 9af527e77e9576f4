//! HTTP: from an event to a request, and from a response back to the form of its source.

pub(crate) mod format;
pub(crate) mod header;
pub(crate) mod path;
pub(crate) mod query;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod streaming;
