//! What a row of the table has.

use crate::pipeline::event::kind::Kind;
use crate::pipeline::event::source::http::HttpSource;
use crate::pipeline::event::source::known::Known;
use crate::pipeline::event::source::marks::Mark;

/// One row: everything that differs between this source and the others.
pub(crate) struct Source {
    pub(crate) kind: Kind,
    /// The name that logs and commands show.
    pub(crate) name: &'static str,
    /// What it is, for the chapter.
    pub(crate) title: &'static str,
    pub(crate) shape: Shape,
    /// The method of the builder that routes it.
    pub(crate) route: &'static str,
    pub(crate) answer: Known<Answer>,
    /// How it delivers requests. `None` if its events are not HTTP requests.
    pub(crate) http: Option<&'static HttpSource>,
}

/// How an event of a source is recognised.
pub(crate) enum Shape {
    /// It has all of these members, and `RequestContext` or nothing more to look at.
    Members(&'static [Mark]),
    /// `Records` is a list, and the first of them has this `eventSource`.
    Records(&'static str),
    /// `eventSource` beside the records is one of these.
    Batch(&'static [&'static str]),
    /// It needs a look at values: `recognise` knows how.
    Values,
    /// Its first record, or its detail, contains an event of another source.
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
