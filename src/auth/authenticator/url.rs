//! Which URLs may be fetched.

use reqwest::Url;

use crate::client::may_carry_secrets;

/// Whether keys or claims may be fetched from `url`: its scheme and host may carry secrets, and the URL
/// itself contains no user name and no password.
pub(super) fn may_be_fetched(url: &Url) -> bool {
    may_carry_secrets(url.scheme(), url.host())
        && url.username().is_empty()
        && url.password().is_none()
}
