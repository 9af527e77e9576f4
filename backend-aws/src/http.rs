//! The SDK configuration over an HTTP client that the process already has; `AWS_CA_BUNDLE`.

use std::{env, error::Error, fs, io, path::PathBuf};

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig};
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
        orchestrator::HttpRequest,
        result::ConnectorError,
        stalled_stream_protection::StalledStreamProtectionConfig,
    },
    http::HttpError,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use rustls::pki_types::{CertificateDer, pem::PemObject};

use zeroize::Zeroizing;

use crate::timeouts;

type BoxError = Box<dyn Error + Send + Sync>;

/// A PEM file with further certificate authorities to trust. The AWS command line has the same
/// variable.
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// Why the file in `AWS_CA_BUNDLE` cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaBundleError {
    /// The file cannot be read.
    #[error("{CA_BUNDLE} names {}, which cannot be read", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// The file does not contain certificates.
    #[error("{CA_BUNDLE} names {}, which contains no PEM certificates", .0.display())]
    NotPem(PathBuf),
}

/// The certificates in the file that `AWS_CA_BUNDLE` names, as PEM; empty if it is not set.
///
/// # Errors
///
/// [`CaBundleError`] names the file.
pub fn ca_bundle() -> Result<Vec<u8>, CaBundleError> {
    let named = env::var_os(CA_BUNDLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    let Some(path) = named else { return Ok(Vec::new()) };
    let pem = fs::read(&path).map_err(|error| CaBundleError::Unreadable(path.clone(), error))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(pem),
        _ => Err(CaBundleError::NotPem(path)),
    }
}

/// Reads the configuration from the sources that every AWS tool uses, without network I/O: region,
/// credentials, `AWS_ENDPOINT_URL_DYNAMODB`, `AWS_ENDPOINT_URL_SSM`. Both services and the
/// credential providers send their requests through `client`.
///
/// The SDK's own client takes root certificates only as PEM, and parsing them takes most of the
/// time of a start. `client` has them in parsed form.
///
/// Retries of the SDK are off: the caller retries, with the same write id.
pub async fn sdk_config(client: reqwest::Client) -> SdkConfig {
    let connector = SharedHttpConnector::new(Connector(client));
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .load()
        .await
}

/// Sends the requests of an SDK.
#[derive(Debug)]
struct Connector(reqwest::Client);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = to_send(request).map_err(ConnectorError::user)?;
            let response =
                client.execute(request).await.map_err(|error| match error.is_timeout() {
                    true => ConnectorError::timeout(error.without_url().into()),
                    false => ConnectorError::io(error.without_url().into()),
                })?;
            let response = ::http::Response::<reqwest::Body>::from(response);
            let response = response.map(SdkBody::from_body_1_x);
            response
                .try_into()
                .map_err(|error: HttpError| ConnectorError::other(error.into(), None))
        })
    }
}

/// Converts a request. None of the services in use accepts a stream, so its body is in memory. The copy
/// here is wiped when it is dropped, because a body may contain the token.
fn to_send(request: HttpRequest) -> Result<reqwest::Request, BoxError> {
    let request = request.try_into_http1x()?;
    let (parts, body) = request.into_parts();
    let body = body.bytes().ok_or("expected a request that is not a stream")?;
    let body = Bytes::from_owner(Zeroizing::new(body.to_vec()));
    Ok(reqwest::Request::try_from(::http::Request::from_parts(parts, body))?)
}
