//! What routing and batches need to know of a record.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use crate::json::scan::members;

/// A record as its source delivers it.
pub(super) trait Record: DeserializeOwned + Send + 'static {
    /// The name by which it is routed.
    fn name(&self) -> &str;

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

    /// What can still be read of a malformed record. Empty if the source accepts no report.
    fn identity_of_malformed(_json: &str) -> Identity {
        Identity::default()
    }
}

/// What identifies a malformed record.
#[derive(Debug, Default)]
pub(super) struct Identity {
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
