//! What routing and batches need to know about a record.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use crate::json::JsonError;
use crate::json::scan::members;
use crate::pipeline::event::Event;
use crate::pipeline::records::text::RecordText;

/// A record as its source delivers it.
pub(in crate::pipeline) trait Record:
    DeserializeOwned + Send + 'static
{
    /// The method of the builder that routes this record, as in the table of sources.
    const ROUTE: &'static str;
    /// Whether the ARN in the record can be trusted, so that a policy can restrict the sources.
    const HAS_ARN: bool = true;
    /// Whether the name that routes a record may contain a colon.
    const COLON_IN_NAME: bool = false;
    /// Whether the source can have tumbling windows. Without them their code is left out.
    const HAS_WINDOWS: bool = false;
    /// Whether a route may handle several records at the same time. If not, that code is left out.
    const CAN_BE_CONCURRENT: bool = false;

    /// The name by which the record is routed.
    fn name(&self) -> &str;

    /// The name by which a record of the resource with this ARN is routed. It is needed for batches without
    /// records, which only streams have.
    fn name_of(_arn: &str) -> &str {
        ""
    }

    /// The identifier in a partial batch response.
    fn id(&self) -> &str {
        ""
    }

    /// The ARN of the resource that the record comes from. Empty if there is no ARN that can be trusted.
    fn arn(&self) -> &str;

    /// The ordering group. The records of a group are handled in order, up to the first failure.
    fn group(&self) -> Option<&str> {
        None
    }

    /// Stores the JSON of the record.
    fn keep(&mut self, text: RecordText);

    /// Where the records of an event are.
    fn records(event: &Event) -> Result<Records<'_>, JsonError> {
        Ok(Records::Array(event.records().unwrap_or("[]")))
    }

    /// What can still be read of a malformed record. Empty if the source takes no report of single failures.
    fn identity_of_malformed(_json: &str) -> Identity {
        Identity::default()
    }
}

/// Where the records of an event are.
pub(in crate::pipeline) enum Records<'e> {
    /// In this JSON array.
    Array(&'e str),
    /// The JSON of each record.
    Each(Vec<&'e str>),
    /// The event itself is the only record.
    Event,
}

/// What identifies a malformed record.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct Identity {
    /// The identifier in a partial batch response. Empty if there is none.
    pub(super) id: String,
    /// Its ordering group, if it can be read.
    pub(super) group: Option<String>,
    /// Whether the source keeps the order of its records.
    pub(super) is_ordered: bool,
}

/// The string at `path` in an object. `None` if anything on the way has another type.
pub(super) fn string_at(json: &str, path: &[&str]) -> Option<String> {
    let Some((name, rest)) = path.split_first() else {
        return serde_json::from_str(json).ok();
    };
    let [member] = members(json, |member| (member == *name).then_some(0)).ok()?;
    string_at(member?, rest)
}

/// The last part of an ARN.
pub(super) fn resource(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or_default()
}

/// Reads a member that is `null` as if it were absent.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
