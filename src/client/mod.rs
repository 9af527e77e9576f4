//! The HTTP client that the token getter, the key sets, [`Api`](crate::Api) and the AWS stores share.

mod body;
mod outcome;
mod secret;

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, header};

use crate::config_error::ConfigError;
use crate::error_chain;

pub(crate) use body::{ReadError, read_capped, read_secret};
pub(crate) use outcome::{health_of, outcome_of, retry_after};
pub(crate) use secret::{
    HTTPS_REQUIRED, may_carry_secrets, secret_bytes, secret_header, secret_text,
};

/// How long a connection may take: 2 s. A lost SYN packet is sent again after 1 s (RFC 6298,
/// section 2), so this leaves time for one loss and not for two.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

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
    let identity = HeaderValue::from_static("identity");
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(connect_timeout)
        .tcp_nodelay(true)
        // Some firewalls refuse a client that does not name itself.
        .user_agent(concat!("funcify/", env!("CARGO_PKG_VERSION")))
        // Without this header, some servers compress. funcify reads no compressed response.
        .default_headers([(header::ACCEPT_ENCODING, identity)].into_iter().collect())
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

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

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
