//! Every invalid configuration is one error that names what is wrong and never shows a password.

mod credentials;
mod environment;
mod named;
mod refused;
mod urls;

use std::error::Error;

/// The secret in every URL of these tests.
const SECRET: &str = "c4n4ry";

/// An error with all its sources in one line, as a log shows it. Fails if the line or the debug
/// form contains the secret.
fn in_one_line(error: &(dyn Error + 'static)) -> String {
    let text = funcify::error_chain(error);
    let shown = format!("{text} {error:?} {error:#?}");
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(!text.contains('\n') && text.len() < 400, "one short line: {text}");
    text
}
