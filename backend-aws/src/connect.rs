//! A client of a service with a time limit for its requests.

use std::{
    future::Future,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use aws_config::timeout::TimeoutConfig;
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use funcify_core::engine::{Advice, TimeLimits};
use tokio::time::timeout;

use crate::AwsError;

/// Returns the timeouts for an SDK client. They limit only the time to connect; [`Connection`] limits the
/// rest.
#[must_use]
pub fn timeouts(limits: &TimeLimits) -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(limits.connect_timeout()).build()
}

/// The client of a service, with a time limit for each request.
#[derive(Debug)]
pub struct Connection<C> {
    client: C,
    attempt: Duration,
    limits: TimeLimits,
    /// Whether the last request got a response, so that there is a connection.
    connected: AtomicBool,
}

impl<C> Connection<C> {
    /// Wraps a client. Each request gets the time `attempt`, and the time to connect in addition if there may
    /// be no connection yet.
    #[must_use]
    pub fn new(client: C, attempt: Duration, limits: TimeLimits) -> Self {
        Self { client, attempt, limits, connected: AtomicBool::new(false) }
    }

    /// Returns the client that makes the requests.
    pub fn client(&self) -> &C {
        &self.client
    }

    /// Returns how long an operation with all its requests may take.
    pub fn timeout(&self) -> Duration {
        self.limits.timeout()
    }

    /// Waits for the response to one request.
    ///
    /// # Errors
    ///
    /// The error of the SDK, or [`SdkError::TimeoutError`] with [`AwsError::Timeout`] once the time is up.
    pub async fn response<T, E>(
        &self,
        send: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, SdkError<E, HttpResponse>> {
        let connected = self.connected.load(Ordering::Relaxed);
        let connecting = if connected { Duration::ZERO } else { self.limits.connect_timeout() };
        let after = self.attempt.saturating_add(connecting);
        let response = match timeout(after, send).await {
            Ok(response) => response,
            Err(_) => Err(timed_out(after, Some(self.limits.advice()))),
        };
        let answered = matches!(&response, Ok(_) | Err(SdkError::ServiceError(_)));
        self.connected.store(answered, Ordering::Relaxed);
        response
    }
}

/// Waits for a response at most for the time `limit`.
///
/// # Errors
///
/// The errors of [`Connection::response`].
pub async fn bounded<T, E>(
    limit: Duration,
    send: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<T, SdkError<E, HttpResponse>> {
    match timeout(limit, send).await {
        Ok(response) => response,
        Err(_) => Err(timed_out(limit, None)),
    }
}

fn timed_out<E>(after: Duration, advice: Option<Advice>) -> SdkError<E, HttpResponse> {
    SdkError::timeout_error(AwsError::Timeout { after, advice })
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::time::Instant;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(200);

    async fn time_limit(connection: &Connection<()>) -> Duration {
        let start = Instant::now();
        let response =
            connection.response(pending::<Result<(), SdkError<(), HttpResponse>>>()).await;
        assert!(matches!(response, Err(SdkError::TimeoutError(_))), "{response:?}");
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_has_time_to_connect_unless_the_last_one_got_a_response() {
        let limits = TimeLimits::default().with_timeout(Duration::from_millis(1_000));
        let (connection, connect) = (Connection::new((), LIMIT, limits), limits.connect_timeout());
        assert_eq!(time_limit(&connection).await, LIMIT + connect);
        connection.response(ready(Ok::<_, SdkError<(), _>>(()))).await.unwrap();
        assert_eq!(time_limit(&connection).await, LIMIT);
        assert_eq!(time_limit(&connection).await, LIMIT + connect);
    }
}
