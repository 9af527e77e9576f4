//! Which URLs a secret may be sent to, and how it is held in memory until then.

use bytes::Bytes;
use http::HeaderValue;
use url::Host;
use zeroize::Zeroizing;

/// What [`may_carry_secrets`] asks for, as errors say it.
pub(crate) const HTTPS_REQUIRED: &str =
    "expected an https URL (plain http only to a loopback host)";

/// Whether a token, a key or a secret may travel to `host`: over https, or over plain http to a loopback
/// host, because that never reaches a network.
pub(crate) fn may_carry_secrets<S: AsRef<str>>(scheme: &str, host: Option<Host<S>>) -> bool {
    match scheme {
        "https" => true,
        "http" => is_loopback(host),
        _ => false,
    }
}

/// Whether `host` is a loopback host: 127.0.0.0/8, `::1` or `localhost`.
fn is_loopback<S: AsRef<str>>(host: Option<Host<S>>) -> bool {
    match host {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name.as_ref() == "localhost",
        None => false,
    }
}

/// A header with a secret in it: marked as sensitive, and wiped from memory when its last copy is dropped.
/// `None` if a header cannot contain the text.
pub(crate) fn secret_header(text: Zeroizing<String>) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_maybe_shared(secret_bytes(text)).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Bytes that are wiped from memory when the last copy is dropped.
pub(crate) fn secret_bytes(text: Zeroizing<String>) -> Bytes {
    struct Secret(Zeroizing<String>);

    impl AsRef<[u8]> for Secret {
        fn as_ref(&self) -> &[u8] {
            self.0.as_bytes()
        }
    }

    Bytes::from_owner(Secret(text))
}

/// The parts as one text, which is wiped from memory when it is dropped. Its memory is reserved at once:
/// text that grows leaves copies behind that nobody wipes.
pub(crate) fn secret_text(parts: &[&str]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(parts.iter().map(|part| part.len()).sum()));
    for part in parts {
        text.push_str(part);
    }
    text
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    #[test]
    fn secrets_travel_over_https_or_stay_on_this_machine() {
        let may = |url: &str| {
            let url = Url::parse(url).unwrap();
            may_carry_secrets(url.scheme(), url.host())
        };
        assert!(may("https://login.example/"));
        for loopback in ["http://127.0.0.1:8080/", "http://localhost/", "http://[::1]/"] {
            assert!(may(loopback), "{loopback}");
        }
        for other in [
            "http://login.example/",
            "http://localhost.example/",
            "http://127.0.0.1.example/",
            "ftp://127.0.0.1/",
            "file:///etc/passwd",
        ] {
            assert!(!may(other), "{other}");
        }
    }
}
