//! TLS to the server. The crate `funcify` has similar code for its HTTP client, because the two crates share
//! no crate that may depend on rustls.

use std::{error::Error, fs, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use crate::config::{ClientCertificate, RedisConfig, RedisConfigError};

type BoxError = Box<dyn Error + Send + Sync>;

/// Creates a connector, which resumes TLS sessions. It trusts the authorities in the file `ca`, or those of
/// Mozilla. These are compiled in, because searching the system for certificates would slow down the start.
pub(crate) fn connector(config: &RedisConfig) -> Result<TlsConnector, RedisConfigError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| RedisConfigError::Form("got no version of TLS to speak"))?
        .with_root_certificates(trusted_roots(config.ca.as_deref())?);
    let tls = match &config.client_certificate {
        None => tls.with_no_client_auth(),
        Some(files) => {
            let (chain, key) = (chain_of(files)?, key_of(files)?);
            tls.with_client_auth_cert(chain, key).map_err(|error| {
                let ClientCertificate { certificate, key } = files.clone();
                RedisConfigError::ClientCertificate { certificate, key, source: error.into() }
            })?
        }
    };
    Ok(TlsConnector::from(Arc::new(tls)))
}

fn trusted_roots(ca: Option<&Path>) -> Result<RootCertStore, RedisConfigError> {
    let Some(path) = ca else {
        return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    };
    let roots = || {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(path)? {
            roots.add(certificate)?;
        }
        Ok(roots)
    };
    roots().map_err(unreadable("certificates", path))
}

fn chain_of(files: &ClientCertificate) -> Result<Vec<CertificateDer<'static>>, RedisConfigError> {
    let path = &files.certificate;
    certificates(path).map_err(unreadable("certificates", path))
}

/// Reads the private key. The text of the file is wiped from memory.
fn key_of(files: &ClientCertificate) -> Result<PrivateKeyDer<'static>, RedisConfigError> {
    let path = &files.key;
    let read = || -> Result<_, BoxError> {
        let pem = Zeroizing::new(fs::read(path)?);
        Ok(PrivateKeyDer::from_pem_slice(&pem)?)
    };
    read().map_err(unreadable("private key", path))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, BoxError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&fs::read(path)?).collect();
    let read = read?;
    if read.is_empty() { Err("the file contains no certificate".into()) } else { Ok(read) }
}

fn unreadable(what: &'static str, path: &Path) -> impl FnOnce(BoxError) -> RedisConfigError {
    move |source| RedisConfigError::File { what, path: path.to_owned(), source }
}
