//! The walk from an error to its causes. Everything in the workspace that looks for a cause uses it.

use std::{error::Error, iter::successors};

/// The error, then its cause, then the cause of that, and so on.
pub fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(Some(error), |&error| error.source())
}

/// The error and all its causes in one line, separated by `: `.
///
/// Use it where an error ends: `main` prints only the `Debug` form of an error, and the `Display`
/// form does not repeat the cause.
///
/// # Examples
///
/// ```
/// use funcify_core::{StoreError, StoreErrorKind, engine::error_chain};
///
/// let error = StoreError::new("redis", StoreErrorKind::Denied, "wrong password");
/// assert!(error_chain(&error).ends_with(": wrong password"));
/// ```
#[must_use]
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let lines: Vec<String> = causes(error).map(ToString::to_string).collect();
    lines.join(": ")
}
