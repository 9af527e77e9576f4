use std::error::Error;

use crate::json::JsonError;

/// Why an event cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The event is invalid JSON, or has a member twice that funcify reads.
    #[error("expected a JSON event")]
    Json(#[source] Box<dyn Error + Send + Sync>),
}

impl From<serde_json::Error> for EventError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(JsonError::from(error).into())
    }
}
