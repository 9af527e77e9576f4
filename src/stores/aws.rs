//! The configuration that both AWS services share: one HTTP client, one set of credentials.

use std::{env, error::Error, fs, io, path::PathBuf, time::Duration};

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector,
            http_client_fn,
        },
        orchestrator::HttpRequest,
        result::ConnectorError,
        stalled_stream_protection::StalledStreamProtectionConfig,
    },
    http::HttpError,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use rustls::pki_types::{CertificateDer, pem::PemObject};

use crate::client;

type BoxError = Box<dyn Error + Send + Sync>;

/// A PEM file of certificate authorities to trust besides, as the AWS command line names it.
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// A connection in the same region that is not made by then will not be made.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(250);

/// Why AWS cannot be configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum AwsConfigError {
    #[error("{CA_BUNDLE} names {}, which cannot be read", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    #[error("{CA_BUNDLE} names {}, which holds no PEM certificates", .0.display())]
    NotPem(PathBuf),
    #[error("there is no HTTP client for AWS")]
    Client(#[source] BoxError),
}

/// Reads the configuration as every AWS tool does, without network I/O: region, credentials,
/// `AWS_ENDPOINT_URL_DYNAMODB`, `AWS_ENDPOINT_URL_SSM`.
///
/// Retries are off, for core settles what is ambiguous; the platform's certificates are not loaded,
/// for that takes longer than everything else at a start.
pub(crate) async fn sdk_config() -> Result<SdkConfig, AwsConfigError> {
    Ok(aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client()?)
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .load()
        .await)
}

/// One client for whoever asks: both services and the credentials.
///
/// It is the one that everything else in funcify uses: the SDK's own takes its root certificates as
/// PEM only, and reading those takes most of a start.
fn http_client() -> Result<SharedHttpClient, AwsConfigError> {
    let client = client::client_with(&ca_bundle()?, CONNECT_TIMEOUT)
        .map_err(|error| AwsConfigError::Client(error.into()))?;
    let connector = SharedHttpConnector::new(Connector(client));
    Ok(http_client_fn(move |_, _| connector.clone()))
}

/// What `AWS_CA_BUNDLE` names.
fn ca_bundle() -> Result<Vec<u8>, AwsConfigError> {
    let named = env::var_os(CA_BUNDLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    let Some(path) = named else { return Ok(Vec::new()) };
    let pem = fs::read(&path).map_err(|error| AwsConfigError::Unreadable(path.clone(), error))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(pem),
        _ => Err(AwsConfigError::NotPem(path)),
    }
}

/// Sends what an SDK asks for.
#[derive(Debug)]
struct Connector(reqwest::Client);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = to_send(request).map_err(ConnectorError::user)?;
            let response =
                client.execute(request).await.map_err(|error| match error.is_timeout() {
                    true => ConnectorError::timeout(error.into()),
                    false => ConnectorError::io(error.into()),
                })?;
            let response = ::http::Response::<reqwest::Body>::from(response);
            let response = response.map(SdkBody::from_body_1_x);
            response
                .try_into()
                .map_err(|error: HttpError| ConnectorError::other(error.into(), None))
        })
    }
}

/// Of the services that are used here none takes a stream.
fn to_send(request: HttpRequest) -> Result<reqwest::Request, BoxError> {
    let request = request.try_into_http1x()?;
    let (parts, body) = request.into_parts();
    let body = body.bytes().ok_or("expected a request that is not a stream")?;
    let body = Bytes::copy_from_slice(body);
    Ok(reqwest::Request::try_from(::http::Request::from_parts(parts, body))?)
}
