//! A row of the table of sources.

use crate::pipeline::event::kind::Kind;
use crate::pipeline::event::source::http::HttpSource;
use crate::pipeline::event::source::known::Known;
use crate::pipeline::event::source::marks::Mark;

/// A source: everything that differs between it and the others.
pub(crate) struct Source {
    pub(crate) kind: Kind,
    /// The name that logs and commands show.
    pub(crate) name: &'static str,
    /// What the source is, as `docs/pipeline.md` describes it.
    pub(crate) title: &'static str,
    pub(crate) shape: Shape,
    /// The method of the builder that routes it.
    pub(crate) route: &'static str,
    pub(crate) answer: Known<Answer>,
    /// How the source delivers requests. `None` if its events are not HTTP requests.
    pub(crate) http: Option<&'static HttpSource>,
}

/// How an event of a source is recognised.
pub(crate) enum Shape {
    /// The event has all of these members.
    Members(&'static [Mark]),
    /// `Records` is a list, and its first record has this `eventSource`.
    Records(&'static str),
    /// The event has an `eventSource` beside its records, which is one of these.
    Batch(&'static [&'static str]),
    /// By the values of members. The rules are in `recognise.rs`.
    Values,
    /// The first record, or the detail, contains an event of another source.
    Envelope,
    /// Every other event.
    Other,
}

/// What the source does with the output of the function.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// An HTTP response.
    Http,
    /// The identifiers of all records that failed.
    Failures,
    /// The identifier of the first record that failed. The stream continues from it.
    FirstFailure,
    /// Topic, partition and offset of all records that failed.
    Offsets,
    /// A result for each record.
    Results,
    /// Only whether the invocation failed.
    Success,
    /// Whether the request is allowed.
    Decision,
    /// A response at a URL in the event.
    Upload,
    /// What the handler returns, as JSON.
    Value,
}
