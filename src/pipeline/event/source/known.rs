//! A value in the table of sources, and how it is known.

/// A statement about a source, with its evidence.
#[derive(Clone, Copy)]
pub(crate) struct Known<T> {
    pub(crate) value: T,
    #[cfg_attr(not(test), expect(dead_code, reason = "docs/pipeline.md shows it"))]
    pub(crate) basis: Basis,
}

/// The evidence for a statement about a source.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Basis {
    /// AWS says so on this page of its documentation.
    Documented(&'static str),
    /// Somebody recorded real events, or compared an emulator with the real service, and published the result
    /// here.
    Captured(&'static str),
    /// No evidence was found. The statement follows from what similar sources do.
    Inferred,
}

/// AWS says so on `page`.
pub(super) const fn documented<T>(value: T, page: &'static str) -> Known<T> {
    Known { value, basis: Basis::Documented(page) }
}

/// Somebody recorded it, and published the recording at `place`.
pub(super) const fn captured<T>(value: T, place: &'static str) -> Known<T> {
    Known { value, basis: Basis::Captured(place) }
}

/// It follows from what similar sources do.
pub(super) const fn inferred<T>(value: T) -> Known<T> {
    Known { value, basis: Basis::Inferred }
}
