//! TLS to the server. The facade has a function of its own for its HTTP client: the two share no crate
//! that may depend on rustls.

use std::{error::Error, fs, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_rustls::TlsConnector;

use crate::config::RedisConfigError;

/// A connector that resumes sessions. It trusts the authorities in the file `ca`, or those of Mozilla,
/// which are compiled in: searching the system for certificates would slow down the start.
pub(crate) fn connector(ca: Option<&Path>) -> Result<TlsConnector, RedisConfigError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| RedisConfigError::Form("got no version of TLS to speak"))?
        .with_root_certificates(trusted_roots(ca)?)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn trusted_roots(ca: Option<&Path>) -> Result<RootCertStore, RedisConfigError> {
    let Some(path) = ca else {
        return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    };
    read_roots(path).map_err(|source| RedisConfigError::Ca { path: path.to_owned(), source })
}

fn read_roots(path: &Path) -> Result<RootCertStore, Box<dyn Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&fs::read(path)?) {
        roots.add(certificate?)?;
    }
    if roots.is_empty() { Err("the file contains no certificate".into()) } else { Ok(roots) }
}
