use std::{error::Error, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    Body, Corruption, RecordKey, RecordKind, RecordName, Swap, Versioned, WriteId,
    body::{MAX_RECORD_BYTES, size_of},
};
use crate::{StoreError, StoreErrorKind, Timestamp};

/// A type whose values a register can hold, and the kind of their keys.
///
/// To add a kind of record, implement this trait for one type. No store needs a change. A record is
/// stored in the form that `serde` gives it, which must be a JSON object of at most 400 KB. The default
/// value is the *empty* record. It represents a record that is absent or corrupt.
///
/// Let your type keep the members that it does not know, as `unknown` does in the example. An older
/// version of your program then does not drop what a newer version has stored.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use funcify_core::{Timestamp, register::{Record, RecordKind}};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Default, Serialize, Deserialize)]
/// struct Quota {
///     #[serde(default)]
///     used: u64,
///     #[serde(flatten)]
///     unknown: serde_json::Map<String, serde_json::Value>,
/// }
///
/// impl Record for Quota {
///     const KIND: RecordKind = RecordKind::new("quota");
///
///     fn keep_for(&self, _now: Timestamp) -> Duration {
///         Duration::from_secs(86_400)
///     }
/// }
/// ```
pub trait Record: Serialize + DeserializeOwned + Default + Send + Sync + 'static {
    /// The kind of all records of this type.
    const KIND: RecordKind;

    /// Returns how long a store must keep the record, counted from `now`. The store may delete it after
    /// that.
    fn keep_for(&self, now: Timestamp) -> Duration;
}

impl RecordKey {
    /// Returns the key of the record of type `T` with this name.
    #[must_use]
    pub fn of<T: Record>(name: RecordName) -> Self {
        Self { kind: T::KIND, name }
    }
}

/// Converts a record to the body that a store writes.
///
/// # Errors
///
/// [`StoreErrorKind::Invalid`] if the record does not serialise as a JSON object, or has more than
/// 400 KB.
pub fn encode<T: Record>(record: &T) -> Result<Body, StoreError> {
    let body = match serde_json::to_value(record) {
        Ok(Value::Object(members)) => Body::from(members),
        Ok(_) => return Err(invalid(Corruption::NotAnObject)),
        Err(error) => return Err(invalid(error)),
    };
    match size_of(&body) {
        size if size > MAX_RECORD_BYTES => Err(invalid(TooLarge { size })),
        _ => Ok(body),
    }
}

fn invalid(source: impl Error + Send + Sync + 'static) -> StoreError {
    StoreError::new("codec", StoreErrorKind::Invalid, source)
}

/// The record has more than 400 KB, so nobody could read it.
#[derive(Debug, thiserror::Error)]
#[error("the record has {size} bytes, and a record can have at most {MAX_RECORD_BYTES}")]
struct TooLarge {
    size: usize,
}

/// Converts a body to a record. This never fails: a corrupt body becomes the empty record, with the
/// version of the body and the reason.
#[must_use]
pub fn decode<T: Record>(body: Versioned<Body>) -> Versioned<T> {
    let Versioned { value, version, corruption } = body;
    let (value, corruption) = match corruption {
        Some(corruption) => (T::default(), Some(corruption)),
        None => match serde_json::from_value(Value::Object(value.into())) {
            Ok(record) => (record, None),
            Err(_) => (T::default(), Some(Corruption::Unreadable)),
        },
    };
    if let Some(corruption) = corruption {
        tracing::warn!(
            kind = %T::KIND, write_id = %WriteId::from(version), %corruption,
            "a stored record is corrupt and counts as empty"
        );
    }
    Versioned { value, version, corruption }
}

impl Swap<Body> {
    /// Returns the same answer, with the record in it decoded.
    pub(super) fn decode<T: Record>(self) -> Swap<T> {
        match self {
            Self::Applied(version) => Swap::Applied(version),
            Self::Conflict(current) => Swap::Conflict(current.map(decode)),
        }
    }
}
