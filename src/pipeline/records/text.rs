//! The JSON of a record, as a slice of the event.

use std::sync::Arc;

use crate::json::text::Span;
use crate::pipeline::event::Event;

/// The JSON of a record: a part of the text of its event, or of an envelope.
#[derive(Clone, Default)]
pub(in crate::pipeline) struct RecordText(Option<(Whole, Span)>);

#[derive(Clone)]
enum Whole {
    Event(Event),
    Envelope(Arc<str>),
}

impl RecordText {
    /// `part` must be a slice of the text of the event.
    pub(super) fn in_event(event: &Event, part: &str) -> Self {
        let span = Span::of(part, event.text());
        Self(span.map(|span| (Whole::Event(event.clone()), span)))
    }

    /// `part` must be a slice of `whole`.
    pub(super) fn in_envelope(whole: &Arc<str>, part: &str) -> Self {
        let span = Span::of(part, whole);
        Self(span.map(|span| (Whole::Envelope(Arc::clone(whole)), span)))
    }

    pub(super) fn as_str(&self) -> &str {
        match &self.0 {
            Some((Whole::Event(event), span)) => span.in_text(event.text()),
            Some((Whole::Envelope(whole), span)) => span.in_text(whole),
            None => "",
        }
    }
}
