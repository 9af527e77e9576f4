//! Records of which one or more are none: each is judged by itself.

use http::StatusCode;
use serde_json::value::RawValue;

use crate::json::JsonError;
use crate::pipeline::records::{Record, Remains};
use crate::problem::Problem;

/// A record, or why it is none.
pub(crate) type Parsed<S> = Result<S, Broken>;

/// A record that is none. It fails, alone.
pub(crate) struct Broken {
    /// What a partial batch response calls it; empty if that cannot be told.
    pub(crate) id: String,
    /// Those of one group are handled in order, and no further than the first failure.
    pub(crate) group: Option<String>,
    pub(crate) problem: Problem,
}

/// Parses the records in the array `json`, each for itself.
///
/// # Errors
///
/// If it is no array.
pub(crate) fn one_by_one<S: Record>(json: &str) -> Result<Vec<Parsed<S>>, JsonError> {
    let raw: Vec<&RawValue> = serde_json::from_str(json)?;
    let mut is_ordered = false;
    // The first of an unknown group: it may stand before any of those behind it.
    let mut barrier = None;
    let mut records = Vec::with_capacity(raw.len());
    for (index, raw) in raw.into_iter().map(RawValue::get).enumerate() {
        let record = serde_json::from_str::<S>(raw).map_err(|error| {
            let Remains { id, group, is_ordered: ordered } = S::remains(raw);
            is_ordered |= ordered;
            if group.is_none() {
                barrier.get_or_insert(index);
            }
            let expected = Problem::bad_request("expected a record of this source");
            let problem = expected.caused_by(&JsonError::of::<S>(raw, &error));
            Broken { id, group, problem }
        });
        is_ordered |= record.as_ref().is_ok_and(|record| record.group().is_some());
        records.push(record);
    }
    if let (true, Some(barrier)) = (is_ordered, barrier) {
        for record in records.iter_mut().skip(barrier.saturating_add(1)) {
            if let Ok(behind) = record {
                let (id, group) = (behind.id().to_owned(), behind.group().map(str::to_owned));
                *record = Err(Broken { id, group, problem: Problem::new(StatusCode::CONFLICT) });
            }
        }
    }
    Ok(records)
}
