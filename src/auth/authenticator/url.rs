//! Which URLs may be fetched.

use reqwest::Url;

use crate::client::may_carry_secrets;

/// Whether keys or claims may be fetched from `url`: a secret may travel there, and the URL contains
/// none itself.
pub(super) fn may_be_fetched(url: &Url) -> bool {
    may_carry_secrets(url.scheme(), url.host())
        && url.username().is_empty()
        && url.password().is_none()
}
