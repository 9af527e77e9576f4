use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Body, Corruption, Swap, Versioned};
use crate::{StoreError, StoreErrorKind, Timestamp};

/// A record that a register can hold. Its default is the vacant record: what an absent or damaged
/// one stands for.
pub trait Record: Serialize + DeserializeOwned + Default + Send + Sync {
    /// How long a store must keep the record, counted from `now`.
    fn keep_for(&self, now: Timestamp) -> Duration;
}

/// Writes a record as a body.
///
/// # Errors
///
/// [`StoreErrorKind::Invalid`] if the record is no JSON object; records of this crate always are.
pub fn encode<T: Record>(record: &T) -> Result<Body, StoreError> {
    match serde_json::to_value(record) {
        Ok(Value::Object(members)) => Ok(Body::new(members)),
        Ok(_) => Err(StoreError::new("codec", StoreErrorKind::Invalid, Corruption::NotAnObject)),
        Err(error) => Err(StoreError::new("codec", StoreErrorKind::Invalid, error)),
    }
}

/// Reads a body as a record. Total: what cannot be read is vacant, keeps its version, and says why.
#[must_use]
pub fn decode<T: Record>(body: Versioned<Body>) -> Versioned<T> {
    let Versioned { value, version, corruption } = body;
    let (value, corruption) = match (corruption, value) {
        (Some(corruption), _) => (T::default(), Some(corruption)),
        (None, body) => match serde_json::from_value(Value::Object(body.into_members())) {
            Ok(record) => (record, None),
            Err(_) => (T::default(), Some(Corruption::Unreadable)),
        },
    };
    if let Some(corruption) = corruption {
        tracing::warn!(write_id = %version.id(), %corruption, "a stored record is damaged and counts as vacant");
    }
    Versioned { value, version, corruption }
}

impl Swap<Body> {
    /// The same answer with the record in it read.
    #[must_use]
    pub fn decode<T: Record>(self) -> Swap<T> {
        match self {
            Self::Applied(version) => Swap::Applied(version),
            Self::Conflict(current) => Swap::Conflict(current.map(decode)),
        }
    }
}
