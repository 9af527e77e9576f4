//! HTTP: makes a request from the event, and turns the response into the response format of the source.

pub(crate) mod admission;
pub(crate) mod context;
pub(crate) mod dispatch;
pub(crate) mod format;
pub(crate) mod header;
pub(crate) mod path;
pub(crate) mod query;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod streamed;
pub(crate) mod streaming;
