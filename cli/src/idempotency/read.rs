//! Reads the records of keys.

use funcify::Operated;
use funcify_core::{
    idempotency::{IdempotencyProvider, IdempotencyRecord},
    register::{RecordName, Versioned},
};
use serde_json::Value;

use super::text;
use crate::error::Failed;

/// The record as it is stored. Its answer may be sealed.
pub(super) async fn stored(
    opened: &Operated,
    name: &RecordName,
) -> Result<Option<Versioned<IdempotencyRecord>>, Failed> {
    Ok(opened.idempotency.register.read_record(name).await?)
}

/// The answer, unsealed. Null if no answer is stored.
pub(super) async fn answer(opened: &Operated, name: &RecordName) -> Result<Value, Failed> {
    let register = &opened.idempotency.register;
    let found = match &opened.unsealed_answers {
        Some(unsealed) => unsealed.read(name).await?,
        None => IdempotencyProvider::read(register, name).await?,
    };
    let Some(answer) = found.and_then(|found| found.value.answer) else { return Ok(Value::Null) };
    if text::is_sealed(&answer) {
        return Err(Failed::usage(
            "the answer is sealed: set FUNCIFY_SEAL_KEYS to the keys of the fleet to see it",
        ));
    }
    Ok(serde_json::from_str(&answer).unwrap_or(Value::String(answer)))
}

pub(super) fn missing(name: &RecordName) -> Failed {
    Failed::usage(format!(
        "there is no record `{name}`: nobody has used the key, its record has expired, or scope and key are \
         not those of the code"
    ))
}
