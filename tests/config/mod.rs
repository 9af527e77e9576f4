//! Every wrong configuration is one error that names what is wrong, and never shows a password.

mod environment;
mod refused;
mod urls;

use std::error::Error;

/// Stands in every URL of these tests where a secret does.
const SECRET: &str = "c4n4ry";

/// An error with everything that led to it, as a user's log shows it.
fn explained(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The explanation, after a look that neither it nor the debug form of anything shows the secret.
fn named(error: &dyn Error) -> String {
    let text = explained(error);
    let shown = format!("{text} {error:?} {error:#?}");
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(!text.contains('\n') && text.len() < 400, "one sentence: {text}");
    text
}
