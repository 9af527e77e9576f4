//! The table of sources: everything that differs between them. Recognition, requests, responses, batches,
//! test events and the local server read only this table, and `docs/pipeline.md` shows it.
//!
//! To add a source that [`event_of`](crate::pipeline::PipelineBuilder::event_of) serves, add its kind, its
//! row in [`SOURCES`], and its example in `testing`. A source of records needs three more additions: a file
//! in `records` with the record, its lines in `records/mod.rs`, and a method of the builder.

#[cfg(test)]
mod guide;
pub(crate) mod http;
pub(crate) mod known;
mod marks;
mod row;
mod rows;

use std::fmt;

use crate::pipeline::event::kind::Kind;
pub(crate) use marks::{Mark, Marks};
pub(crate) use row::{Answer, Shape, Source};
pub(crate) use rows::SOURCES;

impl Source {
    /// The row of this kind.
    pub(crate) fn of(kind: Kind) -> &'static Self {
        // A test compares the order of the rows with that of the kinds.
        SOURCES.get(kind as usize).unwrap_or(rows::UNKNOWN)
    }

    /// The kind whose records have this `eventSource`.
    pub(crate) fn of_records(event_source: &str) -> Option<Kind> {
        let is =
            |source: &&Self| matches!(source.shape, Shape::Records(name) if name == event_source);
        SOURCES.iter().find(is).map(|source| source.kind)
    }

    /// The kind whose batches have this `eventSource`.
    pub(crate) fn of_batch(event_source: &str) -> Option<Kind> {
        let is = |source: &&Self| matches!(source.shape, Shape::Batch(names) if names.contains(&event_source));
        SOURCES.iter().find(is).map(|source| source.kind)
    }

    /// The first kind that has all of its members in `marks`.
    pub(crate) fn of_members(seen: Marks) -> Option<Kind> {
        let is =
            |source: &&Self| matches!(source.shape, Shape::Members(marks) if seen.has_all(marks));
        SOURCES.iter().find(is).map(|source| source.kind)
    }
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        Source::of(self).name
    }

    /// Whether an event of this kind is an HTTP request.
    pub(crate) fn is_http(self) -> bool {
        Source::of(self).http.is_some()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
