//! The walk from an error to its causes. All code of the workspace that looks for a cause uses it.

use std::{error::Error, iter::successors};

/// Returns the error, then its cause, then the cause of that cause, and so on.
pub fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(Some(error), |&error| error.source())
}

/// Returns the error and all its causes in one line, separated by `: `.
///
/// Use this function where you log or print an error. The `Display` form of an error does not contain
/// its cause, and an error that `main` returns is printed in its `Debug` form.
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
