//! Which URLs may be fetched, and how errors show a URL that may contain a secret.

use reqwest::Url;

use crate::client::may_carry_secrets;

/// Whether keys or claims may be fetched from `url`: a secret may travel there, and the URL contains
/// none itself.
pub(super) fn may_be_fetched(url: &Url) -> bool {
    may_carry_secrets(url.scheme(), url.host())
        && url.username().is_empty()
        && url.password().is_none()
}

/// The URL without user name, password, query and fragment.
pub(super) fn redacted(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Both fail only for a URL without host, which has neither.
    let _ = (url.set_username(""), url.set_password(None));
    url.into()
}

/// The first 80 characters of text that is not a URL; nothing of it where it may contain a password.
pub(super) fn redacted_text(text: &str) -> String {
    match text.contains(['@', '?']) {
        true => "…".to_owned(),
        false => text.chars().take(80).collect(),
    }
}
