//! One careful GET from an issuer: keys, or what it says of a user.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use funcify_core::{
    Deadline, DeadlineExceeded,
    circuit::{CallOutcome, CircuitBreaker, CircuitError, CircuitOpen},
};
use http::{HeaderValue, StatusCode, header};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use crate::client::{ReadError, is_loopback, read_capped};

/// A reply that is not complete by then is given up: 3 s.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("the address is not one that may be fetched from")]
    Address,
    #[error("there is no HTTP client")]
    Client,
    #[error("the issuer did not answer")]
    Request(#[source] reqwest::Error),
    #[error("expected status 200, got {0}")]
    Status(StatusCode),
    #[error("the reply was not read")]
    Read(#[from] ReadError),
    #[error("the reply is unusable: {0}")]
    Unusable(&'static str),
    #[error("the circuit of the issuer is open")]
    Open(#[source] CircuitOpen),
    #[error("the call took too long")]
    TooLong,
    #[error("the time was up")]
    Deadline(#[from] DeadlineExceeded),
}

/// How issuers are reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fetch {
    pub(crate) client: Option<reqwest::Client>,
    pub(crate) loopback: bool,
    pub(crate) circuit: Option<CircuitBreaker>,
}

impl Fetch {
    /// The same, in `circuit`.
    pub(crate) fn through(&self, circuit: Option<&CircuitBreaker>) -> Self {
        Self { circuit: circuit.cloned(), ..self.clone() }
    }

    /// Whether `url` may be fetched: https, without credentials in it; plain http where it does not
    /// leave the machine, if that was asked for.
    pub(crate) fn may(&self, url: &Url) -> bool {
        let safe = url.scheme() == "https"
            || (url.scheme() == "http" && self.loopback && is_loopback(url.host()));
        safe && url.username().is_empty() && url.password().is_none()
    }

    /// Gets `url`, up to `limit` bytes; `None` where the issuer refuses the bearer.
    pub(crate) async fn get(
        &self,
        url: &Url,
        bearer: Option<&SecretString>,
        limit: usize,
    ) -> Result<Option<Bytes>, FetchError> {
        if !self.may(url) {
            return Err(FetchError::Address);
        }
        let client = self.client.as_ref().ok_or(FetchError::Client)?;
        let mut request =
            client.get(url.clone()).timeout(TIMEOUT).header(header::ACCEPT, "application/json");
        if let Some(bearer) = bearer {
            request = request.header(header::AUTHORIZATION, authorization(bearer)?);
        }
        let answered = async || answer(request, bearer.is_some(), limit).await;
        let Some(circuit) = &self.circuit else { return answered().await };
        circuit.call_classified(health, answered).await.map_err(|error| match error {
            CircuitError::Failed(error) => error,
            CircuitError::Open(open) => FetchError::Open(open),
            _ if time_is_over() => FetchError::Deadline(DeadlineExceeded),
            _ => FetchError::TooLong,
        })
    }

    /// The same, no longer than the invocation lasts.
    pub(crate) async fn get_in_time(
        &self,
        url: &Url,
        bearer: Option<&SecretString>,
        limit: usize,
    ) -> Result<Option<Bytes>, Arc<FetchError>> {
        let reply = self.get(url, bearer, limit);
        match &self.circuit {
            None => in_time(reply).await?,
            // The breaker ends it with the invocation: it knows what that says about the issuer.
            Some(_) => reply.await,
        }
        .map_err(Arc::new)
    }
}

async fn answer(
    request: reqwest::RequestBuilder,
    with_bearer: bool,
    limit: usize,
) -> Result<Option<Bytes>, FetchError> {
    let reply = request.send().await.map_err(|error| FetchError::Request(error.without_url()))?;
    match reply.status() {
        StatusCode::OK => Ok(Some(read_capped(reply, limit).await?)),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if with_bearer => Ok(None),
        status => Err(FetchError::Status(status)),
    }
}

/// What an answer says of the issuer's health: to refuse a request says nothing of it.
fn health<T>(result: &Result<Option<T>, FetchError>) -> CallOutcome {
    match result {
        Ok(Some(_)) => CallOutcome::Success,
        Ok(None) => CallOutcome::Neutral,
        Err(FetchError::Status(status))
            if status.is_client_error() && *status != StatusCode::TOO_MANY_REQUESTS =>
        {
            CallOutcome::Neutral
        }
        Err(_) => CallOutcome::Failure,
    }
}

fn authorization(bearer: &SecretString) -> Result<HeaderValue, FetchError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", bearer.expose_secret()))
        .map_err(|_| FetchError::Unusable("the token is no header value"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn time_is_over() -> bool {
    Deadline::current().is_some_and(|deadline| deadline.remaining().is_zero())
}

/// Waits for `work` as long as the invocation lasts; with too little time left it is not started.
pub(crate) async fn in_time<T>(work: impl Future<Output = T>) -> Result<T, Arc<FetchError>> {
    let Some(deadline) = Deadline::current() else { return Ok(work.await) };
    let late = || Arc::new(FetchError::Deadline(DeadlineExceeded));
    if deadline.remaining() < Deadline::LEAST {
        return Err(late());
    }
    tokio::time::timeout_at(deadline.ends(), work).await.map_err(|_| late())
}
