use std::error::Error;

use crate::json::JsonError;

/// An event cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// It is invalid JSON, or it has a member twice that may be there only once.
    #[error("expected a JSON event")]
    Json(#[source] Box<dyn Error + Send + Sync>),
}

impl From<serde_json::Error> for EventError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(JsonError::from(error).into())
    }
}
