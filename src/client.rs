//! The HTTP client that the token getter, the key sets, [`Api`](crate::Api) and the AWS stores
//! share: how it is built, which URLs it may send secrets to, and what an answer says about the
//! server.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use funcify_core::circuit::CallOutcome;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{DATE, RETRY_AFTER},
};
use url::Host;
use zeroize::{Zeroize, Zeroizing};

use crate::config_error::ConfigError;
use crate::error_chain;

/// How long a connection may take: 2 s. A lost SYN packet is sent again after 1 s (RFC 6298,
/// section 2), so this leaves time for one loss and not for two.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the task of a connection may run until it has closed it.
const CLOSING_STEPS: usize = 64;

/// How often to wait for it after that, and for how long: 20 ms in all. On a busy machine another thread
/// runs the task, and not yet. A token is granted once in its lifetime, so the wait costs nothing.
const CLOSING_WAITS: usize = 20;
const CLOSING_WAIT: Duration = Duration::from_millis(1);

/// The variables of the proxy: their names are those of curl and many others.
const HTTPS_PROXY: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];

/// The HTTP client. It trusts Mozilla's roots, speaks HTTP/1.1, follows no redirect, and gives up a
/// connection after 2 s. Requests to https URLs go through the proxy in `HTTPS_PROXY`, except to the
/// hosts in `NO_PROXY`. Building it does no I/O.
pub(crate) fn client() -> Result<reqwest::Client, ConfigError> {
    proxied(&[])
}

/// The same client, which also trusts the certificate authorities in `pem`, a list of PEM certificates.
/// Otherwise what is wrong with them, in one line.
pub(crate) fn client_trusting(pem: &[u8]) -> Result<reqwest::Client, String> {
    proxied(pem).map_err(|error| format!("`root_certificates`: {}", error_chain(&error)))
}

/// Checks a list of PEM certificates: at least one, and each can be used.
pub(crate) fn check_certificates(pem: &[u8]) -> Result<(), ConfigError> {
    if roots(pem)?.len() == webpki_roots::TLS_SERVER_ROOTS.len() {
        return Err(ConfigError::invalid("expected certificates as PEM, found none"));
    }
    Ok(())
}

fn proxied(pem: &[u8]) -> Result<reqwest::Client, ConfigError> {
    build(tls_trusting(pem)?, CONNECT_TIMEOUT, proxy(|name| std::env::var(name).ok())?)
}

/// The proxy for https URLs. Plain http is for hosts that need none: this machine, or the own network.
fn proxy(variable: impl Fn(&str) -> Option<String>) -> Result<Option<reqwest::Proxy>, ConfigError> {
    let set = |name| Some((name, variable(name).filter(|url| !url.trim().is_empty())?));
    let Some((name, url)) = HTTPS_PROXY.into_iter().find_map(set) else { return Ok(None) };
    // The cause may show the URL, and with it a password.
    let proxy = reqwest::Proxy::https(url.trim()).map_err(|_| {
        ConfigError::invalid(format!("{name} cannot be used: expected the URL of a proxy"))
    })?;
    let except = variable("NO_PROXY").or_else(|| variable("no_proxy")).unwrap_or_default();
    Ok(Some(proxy.no_proxy(reqwest::NoProxy::from_string(&except))))
}

/// TLS that trusts Mozilla's roots, and the authorities in `pem`.
pub(crate) fn tls_trusting(pem: &[u8]) -> Result<rustls::ClientConfig, ConfigError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::because("TLS cannot be set up", error))?
        .with_root_certificates(roots(pem)?)
        .with_no_client_auth())
}

/// A client over this TLS. Clients over the same TLS resume each other's sessions.
pub(crate) fn build(
    tls: rustls::ClientConfig,
    connect_timeout: Duration,
    proxy: Option<reqwest::Proxy>,
) -> Result<reqwest::Client, ConfigError> {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(connect_timeout)
        .tcp_nodelay(true)
        // Some firewalls refuse a client that does not name itself.
        .user_agent(concat!("funcify/", env!("CARGO_PKG_VERSION")))
        .no_proxy();
    let client = match proxy {
        Some(proxy) => client.proxy(proxy),
        None => client,
    };
    let client = client.build();
    client.map_err(|error| ConfigError::because("the HTTP client could not be built", error))
}

/// Mozilla's roots, compiled in, and those in `pem`.
fn roots(pem: &[u8]) -> Result<rustls::RootCertStore, ConfigError> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};

    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate
            .map_err(|error| ConfigError::because("expected root certificates as PEM", error))?;
        roots
            .add(certificate)
            .map_err(|error| ConfigError::because("a root certificate was refused", error))?;
    }
    Ok(roots)
}

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

/// What the status of an answer says about the server's health: 429 and 5xx are failures; another
/// 4xx is the caller's mistake and says nothing about the server.
pub(crate) fn outcome_of(status: StatusCode) -> CallOutcome {
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        CallOutcome::Failure
    } else if status.is_client_error() {
        CallOutcome::Neutral
    } else {
        CallOutcome::Success
    }
}

/// What an answer says about the server's health: its status, and the `Retry-After` of a 429 or a 503.
pub(crate) fn health_of(status: StatusCode, headers: &HeaderMap) -> CallOutcome {
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            retry_after(headers).map_or(CallOutcome::Failure, CallOutcome::RetryAfter)
        }
        status => outcome_of(status),
    }
}

/// How long the server asks to be left alone: seconds, or a date (RFC 9110 §10.2.3). A date counts from the
/// response's own `Date`: this machine's clock may be wrong.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| Some(headers.get(name)?.to_str().ok()?.trim());
    let after = text(RETRY_AFTER)?;
    match after.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let date = |text| httpdate::parse_http_date(text).ok();
            Some(date(after)?.duration_since(date(text(DATE)?)?).unwrap_or_default())
        }
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

/// Why the body of a reply was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The reply is larger than the limit.
    #[error("the reply is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The connection failed while the reply was read.
    #[error("the reply ended early")]
    Cut(#[source] reqwest::Error),
}

/// Reads the body of a reply, up to `limit` bytes. It stops reading as soon as the limit is passed.
pub(crate) async fn read_capped(
    reply: reqwest::Response,
    limit: usize,
) -> Result<Bytes, ReadError> {
    let mut body = BytesMut::new();
    each_chunk(reply, limit, |chunk| body.extend_from_slice(&chunk)).await?;
    Ok(body.freeze())
}

/// The same for a body with a secret in it, which is wiped from memory when it is dropped, as are the
/// buffers of the connection. The request must ask the server to close the connection: while it is open, it
/// keeps its buffer.
pub(crate) async fn read_secret(
    reply: reqwest::Response,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    let mut chunks = Vec::new();
    let read = each_chunk(reply, limit, |chunk| chunks.push(chunk)).await;
    let mut body = Zeroizing::new(Vec::with_capacity(chunks.iter().map(Bytes::len).sum()));
    chunks.iter().for_each(|chunk| body.extend_from_slice(chunk));
    wipe(chunks).await;
    read.map(|()| body)
}

/// Wipes the buffers of a connection, once it has let go of them. A buffer that it does not let go of in time
/// is left as it is.
async fn wipe(chunks: Vec<Bytes>) {
    let mut waits = 0;
    while !chunks.iter().all(Bytes::is_unique) && waits < CLOSING_STEPS + CLOSING_WAITS {
        if waits < CLOSING_STEPS {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(CLOSING_WAIT).await;
        }
        waits += 1;
    }
    for chunk in chunks {
        if let Ok(mut buffer) = chunk.try_into_mut() {
            buffer.zeroize();
        }
    }
}

async fn each_chunk(
    mut reply: reqwest::Response,
    limit: usize,
    mut take: impl FnMut(Bytes),
) -> Result<(), ReadError> {
    let cut = |error: reqwest::Error| ReadError::Cut(error.without_url());
    let mut length = 0_usize;
    while let Some(chunk) = reply.chunk().await.map_err(cut)? {
        length = length.saturating_add(chunk.len());
        if length > limit {
            return Err(ReadError::TooLarge { limit });
        }
        take(chunk);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use http::HeaderName;
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

    #[test]
    fn only_throttling_and_server_errors_are_failures_of_the_server() {
        for (status, expected) in [
            (200, CallOutcome::Success),
            (204, CallOutcome::Success),
            (302, CallOutcome::Success),
            (400, CallOutcome::Neutral),
            (401, CallOutcome::Neutral),
            (404, CallOutcome::Neutral),
            (429, CallOutcome::Failure),
            (500, CallOutcome::Failure),
            (503, CallOutcome::Failure),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(outcome_of(status), expected, "{status}");
        }
    }

    /// Whether a connection that needs this time has let go of its buffer when the buffer is to be wiped.
    async fn let_go_after(time: Duration) -> bool {
        let buffer = Bytes::from(b"canary".to_vec());
        let connection = tokio::spawn({
            let buffer = buffer.clone();
            async move {
                tokio::time::sleep(time).await;
                drop(buffer);
            }
        });
        tokio::task::yield_now().await;
        wipe(vec![buffer]).await;
        connection.is_finished()
    }

    #[tokio::test(start_paused = true)]
    async fn a_buffer_that_a_busy_connection_holds_for_some_time_is_wiped() {
        assert!(let_go_after(Duration::ZERO).await);
        assert!(let_go_after(Duration::from_millis(15)).await);
        // A connection that is never closed must not delay the token.
        let start = tokio::time::Instant::now();
        assert!(!let_go_after(Duration::from_secs(60)).await);
        assert!(start.elapsed() < Duration::from_millis(100), "{:?}", start.elapsed());
    }

    #[test]
    fn the_retry_after_of_a_429_or_503_is_part_of_what_it_says_about_the_server() {
        let answered = |status: u16, headers: &[(HeaderName, &'static str)]| {
            let headers =
                headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            health_of(StatusCode::from_u16(status).unwrap(), &headers.collect())
        };
        let after = |seconds| CallOutcome::RetryAfter(Duration::from_secs(seconds));
        let at_noon = (DATE, "Sun, 06 Nov 1994 12:00:00 GMT");
        for (status, value, expected) in [
            (429, "120", after(120)),
            (503, " 7 ", after(7)),
            (503, "18446744073709551615", after(u64::MAX)),
            (503, "Sun, 06 Nov 1994 12:01:30 GMT", after(90)),
            (503, "Sun, 06 Nov 1994 11:00:00 GMT", after(0)),
            (503, "soon", CallOutcome::Failure),
            (503, "-1", CallOutcome::Failure),
            (500, "120", CallOutcome::Failure),
            (404, "120", CallOutcome::Neutral),
            (200, "120", CallOutcome::Success),
        ] {
            let outcome = answered(status, &[at_noon.clone(), (RETRY_AFTER, value)]);
            assert_eq!(outcome, expected, "{status} {value}");
        }
        assert_eq!(answered(503, &[]), CallOutcome::Failure);
        // A date alone says nothing: this machine's clock may be wrong.
        let date = (RETRY_AFTER, "Sun, 06 Nov 1994 12:01:30 GMT");
        assert_eq!(answered(503, &[date]), CallOutcome::Failure);
    }

    #[test]
    fn a_proxy_is_read_from_either_name_and_a_wrong_one_is_refused_without_its_password() {
        let read = |name: &'static str, value: &'static str| {
            proxy(move |asked| (asked == name).then(|| value.to_owned()))
        };
        for name in ["HTTPS_PROXY", "https_proxy"] {
            assert!(read(name, "http://proxy.example:3128").unwrap().is_some(), "{name}");
            assert!(read(name, " ").unwrap().is_none());
            let error = read(name, "http://user:canary@:x").unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{name} cannot be used: expected the URL of a proxy")
            );
            assert!(!error_chain(&error).contains("canary"));
        }
        assert!(read("HTTP_PROXY", "http://proxy.example:3128").unwrap().is_none());
    }

    #[test]
    fn a_list_without_certificates_is_refused() {
        let error = check_certificates(b"not a certificate").unwrap_err();
        assert_eq!(error.to_string(), "expected certificates as PEM, found none");
    }

    #[test]
    fn a_malformed_root_certificate_is_refused() {
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let error = proxied(broken).unwrap_err();
        assert_eq!(error.to_string(), "a root certificate was refused");
        assert!(error.source().is_some_and(|source| source.is::<rustls::Error>()), "{error:?}");
        let expected = "`root_certificates`: a root certificate was refused: ";
        assert!(client_trusting(broken).unwrap_err().starts_with(expected));
        assert!(client_trusting(b"").is_ok());
    }
}
