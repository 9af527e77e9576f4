//! What a cell of the table says, and how that is known.

/// A statement about a source, and on what it rests.
#[derive(Clone, Copy)]
pub(crate) struct Known<T> {
    pub(crate) value: T,
    #[cfg_attr(not(test), expect(dead_code, reason = "the chapter shows it"))]
    pub(crate) basis: Basis,
}

/// On what a statement about a source rests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Basis {
    /// AWS says so on this page of its documentation.
    Documented(&'static str),
    /// Somebody recorded real events, or compared with the real service, and published it here.
    Captured(&'static str),
    /// Nobody says so. It follows from what similar sources do.
    Inferred,
}

/// AWS says so on `page`.
pub(super) const fn documented<T>(value: T, page: &'static str) -> Known<T> {
    Known { value, basis: Basis::Documented(page) }
}

/// Somebody recorded it, and published it at `place`.
pub(super) const fn captured<T>(value: T, place: &'static str) -> Known<T> {
    Known { value, basis: Basis::Captured(place) }
}

/// It follows from what similar sources do.
pub(super) const fn inferred<T>(value: T) -> Known<T> {
    Known { value, basis: Basis::Inferred }
}
