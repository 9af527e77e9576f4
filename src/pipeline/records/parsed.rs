//! Batches with malformed records: each record is parsed by itself.

use http::StatusCode;
use serde_json::value::RawValue;

use crate::json::JsonError;
use crate::pipeline::records::record::{Identity, Record};
use crate::problem::Problem;

/// A record, or the reason why it is malformed.
pub(crate) type Parsed<S> = Result<S, MalformedRecord>;

/// A malformed record. It fails, and no other record fails because of it.
pub(crate) struct MalformedRecord {
    /// Its identifier in a partial batch response. Empty if it has none.
    pub(crate) id: String,
    /// Its ordering group, if it can be read.
    pub(crate) group: Option<String>,
    pub(crate) problem: Problem,
}

/// Parses each record in the array `json` by itself.
///
/// # Errors
///
/// If `json` is not an array.
pub(crate) fn parse_each<S: Record>(json: &str) -> Result<Vec<Parsed<S>>, JsonError> {
    let raw: Vec<&RawValue> = serde_json::from_str(json)?;
    let mut is_ordered = false;
    // The first malformed record of an unknown group. Any record behind it may belong to that group.
    let mut barrier = None;
    let mut records = Vec::with_capacity(raw.len());
    for (index, raw) in raw.into_iter().map(RawValue::get).enumerate() {
        let record = serde_json::from_str::<S>(raw).map_err(|error| {
            let Identity { id, group, is_ordered: ordered } = S::identity_of_malformed(raw);
            is_ordered |= ordered;
            if group.is_none() {
                barrier.get_or_insert(index);
            }
            let expected = Problem::bad_request("expected a record of this source");
            let problem = expected.caused_by(&JsonError::of::<S>(raw, &error));
            MalformedRecord { id, group, problem }
        });
        is_ordered |= record.as_ref().is_ok_and(|record| record.group().is_some());
        records.push(record);
    }
    if let (true, Some(barrier)) = (is_ordered, barrier) {
        for record in records.iter_mut().skip(barrier.saturating_add(1)) {
            if let Ok(behind) = record {
                let (id, group) = (behind.id().to_owned(), behind.group().map(str::to_owned));
                let problem = Problem::new(StatusCode::CONFLICT);
                *record = Err(MalformedRecord { id, group, problem });
            }
        }
    }
    Ok(records)
}
