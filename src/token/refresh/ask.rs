//! Step: ask the provider once, or twice if the client's secret was rotated.

use std::{sync::Arc, time::Duration};

use funcify_core::{
    Deadline,
    circuit::{CallOutcome, CircuitError},
    engine::Minted,
};
use tokio::time::{Instant, timeout_at};

use super::request::Refresh;
use super::state::KnownSecret;
use crate::token::error::TokenError;
use crate::token::grant::{GrantError, Granted};

/// After the source of the secret has failed, it is not read for 1 s. The pause after a provider's first
/// failure is as long.
const SECRET_PAUSE: Duration = Duration::from_secs(1);

impl Refresh<'_> {
    /// Asks the provider for a token. If the provider refuses the secret, this reads the secret again, and
    /// asks once more if it has changed.
    pub(super) async fn ask(&mut self, ends: Instant) -> Result<Minted, TokenError> {
        let secret = self.secret().await?;
        let mut minted = self.request_token(&secret, ends).await;
        if is_invalid_client(&minted) {
            self.state.secret = None;
            let read_again = self.secret().await?;
            if read_again.fingerprint != secret.fingerprint {
                tracing::info!(key = %self.settings.key, "the client's secret was rotated");
                minted = self.request_token(&read_again, ends).await;
            }
        }
        match &minted {
            Ok(minted) => {
                self.counters.granted(&self.settings.key);
                self.state.provider_answered();
                self.compare_clock(minted);
            }
            Err(error) => {
                self.counters.failed(&self.settings.key, error);
                tracing::warn!(key = %self.settings.key, error = crate::error_chain(error), "no token was granted");
            }
        }
        minted
    }

    /// The client's secret. It is read from its source once and kept in memory.
    pub(super) async fn secret(&mut self) -> Result<KnownSecret, TokenError> {
        if let Some(known) = &self.state.secret {
            return Ok(known.clone());
        }
        let credentials = &self.settings.credentials;
        let secret = timeout_at(self.request.ends, credentials.authentication.secret()).await;
        let secret = secret.map_err(|_| TokenError::out_of_time())?.map_err(|error| {
            let error = TokenError::Credentials(Arc::from(error));
            self.state.remember(SECRET_PAUSE, error.clone());
            error
        })?;
        let fingerprint = credentials.fingerprint(secret.as_ref());
        let known = KnownSecret { secret: secret.map(Arc::new), fingerprint };
        self.state.secret = Some(known.clone());
        Ok(known)
    }

    /// One request to the provider. It ends at `ends`, or at the caller's deadline if that is earlier.
    async fn request_token(
        &self,
        known: &KnownSecret,
        ends: Instant,
    ) -> Result<Minted, TokenError> {
        let (settings, caller_ends) = (self.settings, self.request.ends);
        let asked_at = settings.clock.now();
        // If the caller's deadline leaves the request less than half of its timeout, a timeout says nothing
        // about the provider.
        let time_left = caller_ends.saturating_duration_since(Instant::now());
        let is_cut_short = caller_ends < ends && time_left < settings.policy.request_timeout / 2;
        // A circuit breaker ends the call at the invocation's deadline by itself, and counts it as such.
        let breaker_ends_it = settings.circuit.is_some() && Deadline::current().is_some();
        let ends = if breaker_ends_it { ends } else { ends.min(caller_ends) };
        let request = async || {
            let grant = settings.grant.grant(&settings.credentials, known.secret.as_deref());
            timeout_at(ends, grant).await.unwrap_or(Err(GrantError::TimedOut))
        };
        let granted = match &settings.circuit {
            None => request().await,
            Some(circuit) => {
                let classify = |result: &Result<Granted, GrantError>| match result {
                    Ok(_) => CallOutcome::Success,
                    Err(GrantError::TimedOut) if is_cut_short => CallOutcome::Neutral,
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
            GrantError::TimedOut if is_cut_short => TokenError::out_of_time(),
            error => TokenError::Grant(Arc::new(error)),
        })
    }
}

fn is_invalid_client(minted: &Result<Minted, TokenError>) -> bool {
    matches!(minted, Err(TokenError::Grant(error)) if error.is_invalid_client())
}
