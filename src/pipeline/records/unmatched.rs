use std::fmt;

use serde_json::value::RawValue;

use crate::pipeline::event::kind::Kind;
use crate::pipeline::records::handler::FromRecord;
use crate::problem::Problem;

/// An event, or a record of a batch, that no route takes. See
/// [`PipelineBuilder::unmatched`](crate::pipeline::PipelineBuilder::unmatched) for an example.
#[derive(Clone)]
#[non_exhaustive]
pub struct Unmatched {
    /// The kind of the event.
    pub kind: Kind,
    /// The name that no route has, such as that of a bucket or a queue. `None` for a whole event.
    pub name: Option<String>,
    /// The JSON of the event or record, as it was delivered.
    pub raw: Box<RawValue>,
}

/// Leaves out the JSON.
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
