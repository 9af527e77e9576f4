use std::error::Error;

/// An error with everything that led to it, in one line: for the log of a `main`, which shows of an
/// error its `Debug` only.
///
/// # Examples
///
/// ```
/// use funcify::{ConfigError, error_chain};
///
/// let fault = Box::new(ConfigError::NotUnicode);
/// let error = ConfigError::Variable { variable: "FUNCIFY_BACKEND", fault };
/// assert_eq!(
///     error_chain(&error),
///     "FUNCIFY_BACKEND cannot be used: expected text, got bytes that are not valid Unicode"
/// );
/// ```
#[must_use]
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
