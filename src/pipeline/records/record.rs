//! What routing and batches need to know of a record.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use crate::json::JsonError;
use crate::json::scan::members;
use crate::pipeline::event::Event;
use crate::pipeline::records::text::RecordText;

/// A record as its source delivers it.
pub(in crate::pipeline) trait Record:
    DeserializeOwned + Send + 'static
{
    /// The method of the builder that routes it, as in the table of sources.
    const ROUTE: &'static str;
    /// Whether its source can be trusted to say where it comes from, so that a policy can restrict it.
    const HAS_ARN: bool = true;
    /// Whether a name by which it is routed may have a colon.
    const COLON_IN_NAME: bool = false;

    /// The name by which it is routed.
    fn name(&self) -> &str;

    /// The name by which a record of this resource is routed. Only streams can have batches without records.
    fn name_of(_arn: &str) -> &str {
        ""
    }

    /// Its identifier in a partial batch response.
    fn id(&self) -> &str {
        ""
    }

    /// The resource that it comes from. Empty if nothing says so that can be trusted.
    fn arn(&self) -> &str;

    /// Its ordering group. The records of a group are handled in order, up to the first failure.
    fn group(&self) -> Option<&str> {
        None
    }

    /// Keeps its JSON.
    fn keep(&mut self, text: RecordText);

    /// Where the records of an event are.
    fn records(event: &Event) -> Result<Records<'_>, JsonError> {
        Ok(Records::Array(event.records().unwrap_or("[]")))
    }

    /// What can still be read of a malformed record. Empty if the source accepts no report.
    fn identity_of_malformed(_json: &str) -> Identity {
        Identity::default()
    }
}

/// Where the records of an event are.
pub(in crate::pipeline) enum Records<'e> {
    /// In this array.
    Array(&'e str),
    /// Each by itself.
    Each(Vec<&'e str>),
    /// The event is the only one.
    Event,
}

/// What identifies a malformed record.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct Identity {
    /// Its identifier in a partial batch response. Empty if it has none.
    pub(super) id: String,
    /// Its ordering group, if it can be read.
    pub(super) group: Option<String>,
    /// Whether it comes from a source that keeps an order.
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
