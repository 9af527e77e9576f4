//! Parses the records of a batch. A malformed record does not affect the others.

use http::StatusCode;
use serde_json::value::RawValue;

use crate::json::{JsonError, decode};
use crate::pipeline::event::Event;
use crate::pipeline::records::record::{Identity, Record, Records};
use crate::pipeline::records::text::RecordText;
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

/// Parses the records of the event.
///
/// # Errors
///
/// If the records are not where the source delivers them.
pub(crate) fn parse<S: Record>(event: &Event) -> Result<Vec<Parsed<S>>, JsonError> {
    let records: Vec<&str> = match S::records(event)? {
        Records::Event => {
            let text = event.text();
            return Ok(vec![Ok(kept(parse_one(text)?, event, text))]);
        }
        Records::Each(records) => records,
        Records::Array(array) => {
            // All records are decoded together, because nearly every batch is well formed. If this one is
            // not, each record is decoded by itself below.
            let well_formed = |record, text| Ok(kept(record, event, text));
            if let Ok(records) = decode::records(array, well_formed) {
                return Ok(records);
            }
            let records: Vec<&RawValue> = serde_json::from_str(array)?;
            records.into_iter().map(RawValue::get).collect()
        }
    };
    Ok(parse_each(&records, event))
}

fn kept<S: Record>(mut record: S, event: &Event, text: &str) -> S {
    record.keep(RecordText::in_event(event, text));
    record
}

/// Parses one record. It is not inlined, because the code that decodes a record is large.
#[inline(never)]
fn parse_one<S: Record>(text: &str) -> Result<S, JsonError> {
    serde_json::from_str(text).map_err(|error| JsonError::of::<S>(text, &error))
}

/// Parses each record by itself.
fn parse_each<S: Record>(texts: &[&str], event: &Event) -> Vec<Parsed<S>> {
    let mut is_ordered = false;
    // The first malformed record whose group is unknown. Any record after it may belong to that group.
    let mut barrier = None;
    let mut records = Vec::with_capacity(texts.len());
    for (index, raw) in texts.iter().copied().enumerate() {
        let record = parse_one(raw).map(|record: S| kept(record, event, raw));
        let record = record.map_err(|error| {
            let Identity { id, group, is_ordered: ordered } = S::identity_of_malformed(raw);
            is_ordered |= ordered;
            if group.is_none() {
                barrier.get_or_insert(index);
            }
            let expected = Problem::bad_request("expected a record of this source");
            let problem = expected.caused_by(&error);
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
    records
}
