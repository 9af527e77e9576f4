//! The configuration of the SDK with an HTTP client that the process already uses, and the certificates in
//! `AWS_CA_BUNDLE`.

use std::{
    env,
    error::Error,
    fmt, fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

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
use funcify_core::engine::{Advice, TimeLimits};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use zeroize::Zeroizing;

use crate::{connect::timeouts, credentials::with_shared_loading};

type BoxError = Box<dyn Error + Send + Sync>;

/// The variable with the path of a PEM file of further certificate authorities to trust. The AWS CLI uses
/// the same variable.
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

/// Returns the certificates in the file that `AWS_CA_BUNDLE` names, as PEM. Empty if it is not set.
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

/// Reads the configuration from the sources that every AWS tool uses, without network I/O: the region, the
/// credentials, `AWS_ENDPOINT_URL_DYNAMODB`, `AWS_ENDPOINT_URL_SSM`. All services and the credential
/// providers send their requests with the HTTP clients that `new_client` creates.
///
/// The SDK's own HTTP client accepts root certificates only as PEM, and parsing them takes most of the time
/// of a start. The clients of `new_client` have the certificates in parsed form.
///
/// The SDK does not retry. The caller retries, with the same write id.
pub async fn sdk_config(
    limits: TimeLimits,
    new_client: impl Fn() -> Result<reqwest::Client, BoxError> + Send + Sync + 'static,
) -> SdkConfig {
    let pool = Arc::new(Pool { new_client: Box::new(new_client), current: Mutex::default() });
    let connector = SharedHttpConnector::new(Connector { pool, advice: limits.connect_advice() });
    let config = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts(&limits))
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .load()
        .await;
    with_shared_loading(config)
}

/// Sends the requests of the SDK.
#[derive(Debug)]
struct Connector {
    pool: Arc<Pool>,
    advice: Advice,
}

/// The HTTP client, with its connections. It is replaced when a request fails.
///
/// After a freeze, or behind a NAT that has dropped them, all idle connections are dead at the same time.
/// Each would make one attempt fail. So the next request after a failure uses a new client, which has no
/// connections.
struct Pool {
    new_client: Box<dyn Fn() -> Result<reqwest::Client, BoxError> + Send + Sync>,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    client: Option<reqwest::Client>,
    /// How many clients there were before this one.
    generation: u64,
}

impl Pool {
    fn client(&self) -> Result<(reqwest::Client, u64), BoxError> {
        let mut current = self.lock();
        let client = match current.client.take() {
            Some(client) => client,
            None => (self.new_client)()?,
        };
        current.client = Some(client.clone());
        Ok((client, current.generation))
    }

    /// Drops the client of this generation, unless another request did so before.
    fn retire(&self, generation: u64) {
        let mut current = self.lock();
        if current.generation == generation {
            *current = Current { client: None, generation: generation + 1 };
        }
    }

    /// Locks the client. A panic cannot leave it half updated, so a poisoned lock is used as it is.
    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

/// A request that is under way. If it fails, or is given up before its response, its client is dropped.
struct UnderWay<'a> {
    pool: &'a Pool,
    generation: u64,
    is_answered: bool,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.pool.retire(self.generation);
        }
    }
}

/// No connection was opened in time.
#[derive(Debug, thiserror::Error)]
#[error("no connection was opened in time; {advice}")]
struct NoConnection {
    advice: Advice,
    source: reqwest::Error,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (pool, advice) = (Arc::clone(&self.pool), self.advice);
        HttpConnectorFuture::new(async move {
            let request = to_send(request).map_err(ConnectorError::user)?;
            let (client, generation) = pool.client().map_err(ConnectorError::user)?;
            let mut under_way = UnderWay { pool: &pool, generation, is_answered: false };
            let response = client.execute(request).await.map_err(|source| {
                let (is_timeout, is_connect) = (source.is_timeout(), source.is_connect());
                let source = source.without_url();
                match (is_timeout, is_connect) {
                    (true, true) => ConnectorError::timeout(NoConnection { advice, source }.into()),
                    (true, false) => ConnectorError::timeout(source.into()),
                    (false, _) => ConnectorError::io(source.into()),
                }
            })?;
            under_way.is_answered = true;
            let response = ::http::Response::<reqwest::Body>::from(response);
            let response = response.map(SdkBody::from_body_1_x);
            response
                .try_into()
                .map_err(|error: HttpError| ConnectorError::other(error.into(), None))
        })
    }
}

/// Converts a request. Its body is in memory, because no service in use accepts a stream. The copy of the
/// body is wiped from memory when it is dropped, because it may contain the token.
fn to_send(request: HttpRequest) -> Result<reqwest::Request, BoxError> {
    let request = request.try_into_http1x()?;
    let (parts, body) = request.into_parts();
    let body = body.bytes().ok_or("expected a request that is not a stream")?;
    let body = Bytes::from_owner(Zeroizing::new(body.to_vec()));
    Ok(reqwest::Request::try_from(::http::Request::from_parts(parts, body))?)
}
