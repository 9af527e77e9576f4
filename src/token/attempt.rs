//! One request to the provider, with a secret read anew if it was rotated.

use std::{sync::Arc, time::Duration};

use funcify_core::{
    Deadline,
    circuit::{CallOutcome, CircuitError},
    engine::Minted,
};
use tokio::time::{Instant, timeout_at};

use crate::token::flight::{Flight, Known};
use crate::token::grant::{GrantError, Granted};
use crate::token::renew::Want;
use crate::token::{Inner, TokenError, out_of_time};

impl Inner {
    /// Asks the provider; with a secret read anew if the one at hand was refused.
    pub(super) async fn ask(
        &self,
        flight: &mut Flight,
        want: &Want<'_>,
        window: Duration,
    ) -> Result<Minted, TokenError> {
        let ends = Instant::now() + window;
        let known = self.know_secret(flight, want).await?;
        let mut answer = self.attempt(&known, want, ends).await;
        if is_invalid_client(&answer) {
            flight.secret = None;
            let anew = self.know_secret(flight, want).await?;
            if anew.fingerprint != known.fingerprint {
                tracing::info!(key = %self.key, "the client's secret was rotated");
                answer = self.attempt(&anew, want, ends).await;
            }
        }
        let counter = if answer.is_ok() { &self.counters.grants } else { &self.counters.failures };
        counter.increment();
        if let Err(error) = &answer {
            tracing::warn!(key = %self.key, %error, "no token was granted");
        }
        if answer.is_ok() {
            (flight.failed, flight.refused) = (None, None);
        }
        answer
    }

    /// The client's secret, asked for unless it is known already.
    pub(super) async fn know_secret(
        &self,
        flight: &mut Flight,
        want: &Want<'_>,
    ) -> Result<Known, TokenError> {
        if let Some(known) = &flight.secret {
            return Ok(known.clone());
        }
        let secret = timeout_at(want.ends, self.credentials.authentication.secret()).await;
        let secret = secret.map_err(|_| out_of_time())?.map_err(|error| {
            let error = TokenError::Credentials(Arc::from(error));
            flight.failed = Some((Instant::now() + Duration::from_secs(1), error.clone()));
            error
        })?;
        let fingerprint = self.credentials.fingerprint(secret.as_ref());
        let known = Known { secret: secret.map(Arc::new), fingerprint };
        flight.secret = Some(known.clone());
        Ok(known)
    }

    /// One request, ended at `ends` or with its caller.
    async fn attempt(
        &self,
        known: &Known,
        want: &Want<'_>,
        ends: Instant,
    ) -> Result<Minted, TokenError> {
        let asked_at = self.clock.now();
        // Cut off early it may only have been unlucky; that says nothing about the provider.
        let given = want.ends.saturating_duration_since(Instant::now());
        let is_unlucky = want.ends < ends && given < self.request_timeout / 2;
        // In a circuit the breaker ends it with the invocation: it knows what to make of that.
        let breaks = self.circuit.is_some() && Deadline::current().is_some();
        let ends = if breaks { ends } else { ends.min(want.ends) };
        let request = async || {
            let grant = self.grant.grant(&self.credentials, known.secret.as_deref());
            timeout_at(ends, grant).await.unwrap_or(Err(GrantError::TimedOut))
        };
        let granted = match &self.circuit {
            None => request().await,
            Some(circuit) => {
                let classify = |result: &Result<Granted, GrantError>| match result {
                    Ok(_) => CallOutcome::Success,
                    Err(GrantError::TimedOut) if is_unlucky => CallOutcome::Neutral,
                    Err(error) => error.outcome(),
                };
                match circuit.call_classified(classify, request).await {
                    Ok(granted) => Ok(granted),
                    Err(CircuitError::Open(open)) => return Err(TokenError::Open(open)),
                    Err(CircuitError::Failed(error)) => Err(error),
                    Err(_) => Err(GrantError::TimedOut),
                }
            }
        };
        granted.and_then(|granted| self.minted(granted, asked_at)).map_err(|error| match error {
            GrantError::TimedOut if is_unlucky => out_of_time(),
            error => TokenError::Grant(Arc::new(error)),
        })
    }
}

fn is_invalid_client(answer: &Result<Minted, TokenError>) -> bool {
    matches!(answer, Err(TokenError::Grant(error)) if error.is_invalid_client())
}
