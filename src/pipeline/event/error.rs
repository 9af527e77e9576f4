use std::error::Error;

use crate::json::JsonError;

/// An event cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// It is invalid JSON, or it has a member twice that may be there only once.
    #[error("expected a JSON event")]
    Json(#[source] Box<dyn Error + Send + Sync>),
    /// It has more than 32 levels or more than 10,000 values. These limits apply to each record of a
    /// batch by itself. An item in a DynamoDB stream may have the 32 levels that DynamoDB allows.
    #[error("expected an event of at most 32 levels and 10,000 values")]
    TooLarge,
}

impl From<serde_json::Error> for EventError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(JsonError::from(error).into())
    }
}
