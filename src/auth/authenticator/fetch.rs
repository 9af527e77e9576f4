//! Fetches keys or userinfo from an issuer.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use funcify_core::{
    Deadline, DeadlineExceeded,
    circuit::{CallOutcome, CircuitBreaker, CircuitError, CircuitOpen},
};
use http::{HeaderValue, StatusCode, header};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use crate::auth::authenticator::url::may_be_fetched;
use crate::client::{ReadError, outcome_of, read_capped, secret_header, secret_text};

/// How long a reply may take: 3 s, the default timeout of a Lambda function.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("the URL may not be fetched")]
    Address,
    #[error("the HTTP client could not be built")]
    Client,
    #[error("the issuer did not answer")]
    Request(#[source] reqwest::Error),
    #[error("expected status 200, got {0}")]
    Status(StatusCode),
    #[error("the reply could not be read")]
    Read(#[from] ReadError),
    #[error("the reply is unusable: {0}")]
    Unusable(&'static str),
    #[error("the circuit of the issuer is open")]
    Open(#[source] CircuitOpen),
    #[error("the call took too long")]
    TooLong,
    #[error("the time of the invocation is over")]
    Deadline(#[from] DeadlineExceeded),
}

/// How an issuer is reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fetch {
    pub(crate) client: Option<reqwest::Client>,
    pub(crate) circuit: Option<CircuitBreaker>,
}

impl Fetch {
    /// Gets `url`, up to `limit` bytes. `None` if the issuer refuses the bearer token.
    pub(crate) async fn get(
        &self,
        url: &Url,
        bearer: Option<&SecretString>,
        limit: usize,
    ) -> Result<Option<Bytes>, FetchError> {
        if !may_be_fetched(url) {
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

    /// The same as [`get`](Self::get), but it ends at the deadline of the invocation.
    pub(crate) async fn get_in_time(
        &self,
        url: &Url,
        bearer: Option<&SecretString>,
        limit: usize,
    ) -> Result<Option<Bytes>, Arc<FetchError>> {
        let reply = self.get(url, bearer, limit);
        match &self.circuit {
            None => in_time(reply).await?,
            // The breaker ends the call at the deadline of the invocation, and records the outcome.
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

/// What a reply says about the issuer's health. A 200 is a success. A 4xx other than 429 is the caller's
/// mistake and says nothing about the issuer. Everything else is a failure, also a redirect.
fn health<T>(result: &Result<Option<T>, FetchError>) -> CallOutcome {
    match result {
        Ok(Some(_)) => CallOutcome::Success,
        Ok(None) => CallOutcome::Neutral,
        Err(FetchError::Status(status)) if outcome_of(*status) == CallOutcome::Neutral => {
            CallOutcome::Neutral
        }
        Err(_) => CallOutcome::Failure,
    }
}

fn authorization(bearer: &SecretString) -> Result<HeaderValue, FetchError> {
    secret_header(secret_text(&["Bearer ", bearer.expose_secret()]))
        .ok_or(FetchError::Unusable("the token is not a legal header value"))
}

fn time_is_over() -> bool {
    Deadline::current().is_some_and(|deadline| deadline.remaining().is_zero())
}

/// Runs `work` until the deadline of the invocation. It does not start if less than [`Deadline::LEAST`] is
/// left.
pub(crate) async fn in_time<T>(work: impl Future<Output = T>) -> Result<T, Arc<FetchError>> {
    let Some(deadline) = Deadline::current() else { return Ok(work.await) };
    let late = || Arc::new(FetchError::Deadline(DeadlineExceeded));
    if deadline.remaining() < Deadline::LEAST {
        return Err(late());
    }
    tokio::time::timeout_at(deadline.ends(), work).await.map_err(|_| late())
}
