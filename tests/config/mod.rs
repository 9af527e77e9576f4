//! Every wrong configuration is one error that names what is wrong, and never shows a password.

mod environment;
mod refused;
mod urls;

use std::error::Error;

use funcify::error_chain;

/// Stands in every URL of these tests where a secret does.
const SECRET: &str = "c4n4ry";

/// The explanation, after a look that neither it nor the debug form of anything shows the secret.
fn named(error: &(dyn Error + 'static)) -> String {
    let text = error_chain(error);
    let shown = format!("{text} {error:?} {error:#?}");
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(!text.contains('\n') && text.len() < 400, "one sentence: {text}");
    text
}
