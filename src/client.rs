//! The HTTP client that token getter, key sets and [`Api`](crate::api::Api) share.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use url::Host;

/// A connection that is not made by then will not be made: 2 s.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The root certificates given are no PEM certificates.
    #[error("expected root certificates as PEM")]
    RootCertificates(#[source] rustls::pki_types::pem::Error),
    /// A root certificate was refused.
    #[error("a root certificate was refused")]
    Tls(#[from] rustls::Error),
    /// The client could not be built.
    #[error("the HTTP client could not be built")]
    Client(#[from] reqwest::Error),
}

/// A client that trusts Mozilla's root certificates, speaks HTTP/1.1, follows no redirect and needs
/// no I/O to build.
///
/// # Errors
///
/// [`ClientError`] if TLS cannot be set up.
pub fn client() -> Result<reqwest::Client, ClientError> {
    client_trusting(&[])
}

/// The same client, trusting the certificate authorities in `pem` as well.
///
/// # Errors
///
/// [`ClientError::RootCertificates`] if `pem` holds something else.
pub fn client_trusting(pem: &[u8]) -> Result<reqwest::Client, ClientError> {
    client_with(pem, CONNECT_TIMEOUT)
}

/// The same client, which waits for a connection as long as `connect_timeout`.
pub(crate) fn client_with(
    pem: &[u8],
    connect_timeout: Duration,
) -> Result<reqwest::Client, ClientError> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};

    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(ClientError::RootCertificates)?)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(connect_timeout)
        .tcp_nodelay(true)
        .no_proxy()
        .build()?)
}

/// Whether `host` is this machine, to which plain http may go: nothing of it is on a wire.
pub(crate) fn is_loopback<S: AsRef<str>>(host: Option<Host<S>>) -> bool {
    match host {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name.as_ref() == "localhost",
        None => false,
    }
}

/// Why a reply was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The reply is larger than is taken.
    #[error("the reply is larger than {limit} bytes")]
    TooLarge {
        /// How much is taken.
        limit: usize,
    },
    /// The connection failed while the reply was read.
    #[error("the reply ended early")]
    Cut(#[source] reqwest::Error),
}

/// Reads a reply as a stream, up to `limit` bytes.
///
/// # Errors
///
/// [`ReadError::TooLarge`] as soon as the limit is passed; the rest is not read.
pub async fn read_capped(mut reply: reqwest::Response, limit: usize) -> Result<Bytes, ReadError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = reply.chunk().await.map_err(ReadError::Cut)? {
        if body.len().saturating_add(chunk.len()) > limit {
            return Err(ReadError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
