//! The form of a URL in errors, logs and `Debug`, without anything that may be a secret.

use url::Url;

/// Replaces text that is not shown.
const HIDDEN: &str = "…";

/// The scheme, host, port and path of an http or https URL.
///
/// Any other text is hidden completely, because it may be a mistyped URL (`user:password@host`) or a
/// misplaced password. A URL with an `@` after its host is hidden too, because what looks like the host may
/// be a user name (`https://user:1234/rest-of-the-password@host`).
pub(crate) fn shown(text: &str) -> String {
    let Ok(mut url) = Url::parse(text.trim()) else { return HIDDEN.to_owned() };
    let behind_host = [Some(url.path()), url.query(), url.fragment()];
    if !matches!(url.scheme(), "http" | "https")
        || behind_host.into_iter().flatten().any(|part| part.contains('@'))
    {
        return HIDDEN.to_owned();
    }
    url.set_query(None);
    url.set_fragment(None);
    // These fail only for a URL without a host, and an http URL has one.
    let _ = (url.set_username(""), url.set_password(None));
    url.into()
}

/// The scheme of a URL, or an empty text if it must not be shown. What looks like a scheme may be a user
/// name or a password if no slashes follow it (`password:6379`).
pub(crate) fn shown_scheme(text: &str) -> &str {
    let (scheme, _) = text.trim().split_once("://").unwrap_or_default();
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte);
    let is_scheme = (1..=20).contains(&scheme.len()) && scheme.bytes().all(legal);
    if is_scheme { scheme } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_what_may_be_a_secret() {
        for (text, expected) in [
            ("https://login.example/jwks", "https://login.example/jwks"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/"),
            (" https://login.example/jwks ", "https://login.example/jwks"),
            (
                "https://me:canary@login.example:8443/jwks?key=canary#canary",
                "https://login.example:8443/jwks",
            ),
            ("https://canary@login.example", "https://login.example/"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_surely_a_url_is_not_shown_at_all() {
        for text in [
            "",
            "canary",
            "me:canary@login.example",
            "canary:6379",
            "https//me:canary@login.example",
            "https://me:canary",
            "https://me:1234/canary@login.example",
            "https://me:1234?canary@login.example",
            "https://me:1234#canary@login.example",
            "https://me/canary@login.example",
            "https://me:canary@[",
            "ftp://me:canary@login.example",
            "data:canary",
            "login.example/canary",
        ] {
            assert_eq!(shown(text), "…", "{text}");
        }
    }

    #[test]
    fn a_scheme_is_shown_only_in_front_of_slashes() {
        for (text, expected) in [
            ("ftp://h", "ftp"),
            ("postgres+tls://h", "postgres+tls"),
            ("canary:6379", ""),
            ("me:canary@host", ""),
            ("canary", ""),
            ("://", ""),
            ("can ary://h", ""),
        ] {
            assert_eq!(shown_scheme(text), expected, "{text}");
        }
        assert_eq!(shown_scheme(&format!("{}://h", "canary".repeat(10))), "");
    }
}
