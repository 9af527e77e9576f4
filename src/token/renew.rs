//! Renewing: what the record asks for, step by step, until there is a token.

use std::time::Duration;

use funcify_core::engine::{Asker, Decision, decide};
use funcify_core::token::AccessToken;
use tokio::time::{Instant, sleep_until};

use crate::token::bearer::Token;
use crate::token::flight::Flight;
use crate::token::grant::GrantError;
use crate::token::patience::Patience;
use crate::token::stored::Found;
use crate::token::{Inner, TokenError, out_of_time};

/// What a caller wants.
pub(super) struct Want<'a> {
    /// Another token than this one.
    pub(super) rejected: Option<&'a AccessToken>,
    /// The draw that decides whether a valid token is renewed.
    pub(super) chance: f64,
    /// When the caller gives up.
    pub(super) ends: Instant,
}

impl Want<'_> {
    /// What the caller is told: one whose own time is over hears of that, whatever the provider's
    /// part in it.
    pub(super) fn told(&self, error: TokenError) -> TokenError {
        let timed_out = matches!(
            &error,
            TokenError::Grant(cause) if matches!(**cause, GrantError::TimedOut)
        );
        if timed_out && Instant::now() >= self.ends { out_of_time() } else { error }
    }
}

impl Inner {
    /// Renews the token; where that fails, goes on with one that is still valid.
    pub(super) async fn renew(
        &self,
        flight: &mut Flight,
        want: Want<'_>,
    ) -> Result<Token, TokenError> {
        let error = match Flight::standing(&flight.failed) {
            Some(error) => error,
            None => match self.share(flight, &want).await {
                Ok(token) => return Ok(self.served(token)),
                Err(error) => error,
            },
        };
        let Some(token) = self.memory.valid(&*self.clock, want.rejected) else {
            return Err(error);
        };
        let pause = error.retry_after().unwrap_or_default().max(Duration::from_secs(1));
        self.memory.quiet(self.clock.now() + pause, true);
        tracing::warn!(key = %self.key, %error, "the token is due and could not be renewed");
        Ok(self.served(token.stale()))
    }

    /// The steps that the record asks for, until there is a token.
    async fn share(&self, flight: &mut Flight, want: &Want<'_>) -> Result<Token, TokenError> {
        let mut found = self.read(flight).await?;
        let mut patience = Patience::default();
        let mut has_given_way = false;
        loop {
            if Instant::now() >= want.ends {
                return Err(out_of_time());
            }
            let stored = match found {
                Found::Record(stored) => stored,
                Found::Slow if self.bears_with(&mut patience, want).await => {
                    flight.store_answered();
                    found = self.read(flight).await?;
                    continue;
                }
                Found::Slow | Found::Down => return self.go_alone(flight, want).await,
            };
            patience = Patience::default();
            let version = stored.as_ref().map(|stored| stored.version);
            let record = stored.map(|stored| stored.value).unwrap_or_default();
            let watched = flight.watch(version);
            if record.failure.as_ref().is_some_and(|failure| failure.cred.is_some()) {
                self.know_secret(flight, want).await?;
            }
            let now = self.clock.now();
            let adopted = self.adopt(&record, want, now);
            let cred = flight.secret.as_ref().map(|known| known.fingerprint.clone());
            let asker = Asker {
                holder: self.holder,
                digest: &self.digest,
                cred: cred.as_deref(),
                watched,
                rejected: want.rejected,
            };
            found = match (decide(&record, &asker, &self.policy, now, want.chance), adopted) {
                (Decision::KeyInUse, _) => {
                    return Err(TokenError::KeyInUse { key: self.key.clone() });
                }
                (Decision::Use, Some(token)) => return Ok(token),
                (Decision::Wait { until }, Some(token)) => {
                    self.memory.quiet(until, false);
                    return Ok(token);
                }
                (Decision::Wait { .. } | Decision::Use, _) => {
                    self.pause(want).await;
                    has_given_way = false;
                    self.read(flight).await?
                }
                (Decision::RejectedTooOften { until }, _) => {
                    return Err(TokenError::RejectedTooOften { retry_after: until.since(now) });
                }
                (Decision::BackOff { until }, _) => {
                    return Err(self.remembered(flight, &record, until.since(now)));
                }
                (Decision::Mint, _) => match version {
                    Some(version) => match self.mint(flight, want, version, record).await? {
                        Some(token) => return Ok(token),
                        None => self.read(flight).await?,
                    },
                    None => self.read(flight).await?,
                },
                (Decision::Take(_), _) if !has_given_way && !self.pace.contention.is_zero() => {
                    has_given_way = true;
                    self.give_way(want).await;
                    self.read(flight).await?
                }
                (Decision::Take(leased), _) => {
                    if let Some(error) = Flight::standing(&flight.refused) {
                        return Err(error);
                    }
                    self.know_secret(flight, want).await?;
                    self.take(flight, version, &record, *leased).await?
                }
            };
        }
    }

    /// Waits for a slow store, if this caller has no token and time for it.
    async fn bears_with(&self, patience: &mut Patience, want: &Want<'_>) -> bool {
        let is_served = self.memory.valid(&*self.clock, want.rejected).is_some();
        let pause = patience.next(self.pace, want.ends, self.request_timeout, &self.chance);
        let Some(again) = pause.filter(|_| !is_served) else { return false };
        sleep_until(again).await;
        true
    }

    /// Until the next look at the store.
    async fn pause(&self, want: &Want<'_>) {
        let again = Instant::now() + self.pace.interval(&self.chance);
        sleep_until(want.ends.min(again)).await;
    }

    /// Lets others be first where a write that loses costs more than a second look.
    async fn give_way(&self, want: &Want<'_>) {
        let again = Instant::now() + self.pace.contention_back_off(&self.chance);
        sleep_until(want.ends.min(again)).await;
    }
}
