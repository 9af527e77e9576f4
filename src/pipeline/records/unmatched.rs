use std::fmt;

use serde_json::value::RawValue;

use crate::pipeline::{FromRecord, Kind};
use crate::problem::Problem;

/// An event, or a record of a batch, that no route takes.
#[derive(Clone)]
#[non_exhaustive]
pub struct Unmatched {
    /// What sent it.
    pub kind: Kind,
    /// The name that no route has: a bucket's token, a queue's name. None for a whole event.
    pub name: Option<String>,
    /// What came.
    pub raw: Box<RawValue>,
}

/// Without what came.
impl fmt::Debug for Unmatched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unmatched")
            .field("kind", &self.kind)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl FromRecord<Self> for Unmatched {
    fn from_record(record: Self) -> Result<Self, Problem> {
        Ok(record)
    }
}
