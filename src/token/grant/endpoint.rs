use url::Url;

use crate::client::{HTTPS_REQUIRED, may_carry_secrets};
use crate::shown_url::shown_scheme;

/// Why a URL of the identity provider cannot be used.
#[derive(Debug, thiserror::Error)]
pub(in crate::token) enum EndpointError {
    #[error("expected a URL, but {0}")]
    NotAUrl(url::ParseError),
    /// The secret would be sent in the clear, or to something that is not a web server.
    #[error("{HTTPS_REQUIRED}, got scheme `{0}`")]
    NotHttps(String),
    #[error("expected a URL without user name and password")]
    UserInfo,
    /// RFC 6749 §3.2 forbids it.
    #[error("expected a URL without fragment")]
    Fragment,
}

/// Parses the URL of an endpoint: https, or plain http to a loopback host.
pub(in crate::token) fn parse(text: &str) -> Result<Url, EndpointError> {
    let url = Url::parse(text.trim()).map_err(EndpointError::NotAUrl)?;
    if !may_carry_secrets(url.scheme(), url.host()) {
        return Err(EndpointError::NotHttps(shown_scheme(text).to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(EndpointError::UserInfo);
    }
    if url.fragment().is_some() {
        return Err(EndpointError::Fragment);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_sent_over_https_only_except_to_a_loopback_host() {
        let https = "https://login.example/token";
        assert!(parse(https).is_ok());
        for loopback in ["http://127.0.0.1:8080/t", "http://localhost/t", "http://[::1]/t"] {
            assert!(parse(loopback).is_ok(), "{loopback}");
        }
        for url in [
            "http://login.example/token",
            "http://localhost.example/token",
            "http://127.0.0.1.example/token",
            "ftp://127.0.0.1/token",
            "file:///etc/passwd",
            "https://user@login.example/token",
            "https://:secret@login.example/token",
            "https://login.example/token#fragment",
            "login.example/token",
            "",
        ] {
            assert!(parse(url).is_err(), "{url}");
        }
    }
}
