//! The configuration that both AWS services share: one HTTP client, one set of credentials.

use std::{env, error::Error, fs, io, path::PathBuf, time::Duration};

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn},
    stalled_stream_protection::StalledStreamProtectionConfig,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use rustls::pki_types::{CertificateDer, pem::PemObject};

/// A PEM file of certificate authorities to trust besides, as the AWS command line names it.
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// A connection in the same region that is not made by then will not be made.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(250);

/// Why AWS cannot be configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum AwsConfigError {
    #[error("{CA_BUNDLE} names {}, which cannot be read", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    #[error("{CA_BUNDLE} names {}, which holds no PEM certificates", .0.display())]
    NotPem(PathBuf),
    #[error("TLS cannot be set up")]
    Tls(#[source] Box<dyn Error + Send + Sync>),
}

/// Reads the configuration as every AWS tool does, without network I/O: region, credentials,
/// `AWS_ENDPOINT_URL_DYNAMODB`, `AWS_ENDPOINT_URL_SSM`.
///
/// Retries are off, for core settles what is ambiguous; the platform's certificates are not loaded,
/// for that takes longer than everything else at a start.
pub(super) async fn sdk_config() -> Result<SdkConfig, AwsConfigError> {
    Ok(aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client()?)
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .load()
        .await)
}

/// One connector for whoever asks: both services and the credentials.
///
/// The SDK's own client makes one when each service is built, only to see that it can, and another
/// at the first request; most of that time goes into the root certificates.
fn http_client() -> Result<SharedHttpClient, AwsConfigError> {
    let tls = TlsContext::builder()
        .with_trust_store(roots()?)
        .build()
        .map_err(|error| AwsConfigError::Tls(error.into()))?;
    let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build();
    let connector = Connector::builder()
        .connector_settings(settings)
        .tls_provider(Provider::rustls(CryptoMode::AwsLc))
        .tls_context(tls)
        .build();
    let connector = SharedHttpConnector::new(connector);
    Ok(http_client_fn(move |_, _| connector.clone()))
}

/// Mozilla's authorities, and those of `AWS_CA_BUNDLE`.
fn roots() -> Result<TrustStore, AwsConfigError> {
    let mut roots = TrustStore::empty();
    for root in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        roots.add_pem_certificate(pem(root));
    }
    if let Some(path) = env::var_os(CA_BUNDLE).filter(|path| !path.is_empty()).map(PathBuf::from) {
        for certificate in bundle(&path)? {
            roots.add_pem_certificate(pem(&certificate));
        }
    }
    Ok(roots)
}

fn bundle(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, AwsConfigError> {
    let text = fs::read(path).map_err(|error| AwsConfigError::Unreadable(path.clone(), error))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(AwsConfigError::NotPem(path.clone())),
    }
}

/// The client wants PEM, even of what was DER.
fn pem(certificate: &CertificateDer<'_>) -> Vec<u8> {
    let base64 = BASE64_STANDARD.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n").into_bytes()
}
