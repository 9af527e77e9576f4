//! Renewing: look into the store, take the lease, ask the provider, publish.

use std::time::Duration;

use funcify_core::{
    Deadline, PendingReport, StoreError, StoreErrorKind, Timestamp,
    register::{Swap, Version, Versioned, WriteId},
    token::{AccessToken, Asker, Decision, Fault, Minted, TokenRecord, decide},
};
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    Inner, TokenError,
    flight::Flight,
    grant::GrantError,
    out_of_time,
    remembered::{Token, TokenSource},
};
use crate::sealed::is_sealed;

/// With less left of a lease the provider is not asked under it.
const LEAST_LEASE: Duration = Duration::from_millis(250);

/// A refused secret is not tried again for 60 s; the store is looked at meanwhile, once a second,
/// for a token that another function got with a better secret.
const REFUSED_FOR: Duration = Duration::from_secs(60);
const REFUSED_LOOK: Duration = Duration::from_secs(1);

/// An open circuit of the provider is looked at again after 5 s at most.
const OPEN_LOOK: Duration = Duration::from_secs(5);

/// How often a token is sent to a store that is slow or throttles.
const PUBLISH_ATTEMPTS: u32 = 3;

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
    fn told(&self, error: TokenError) -> TokenError {
        let timed_out = matches!(
            &error,
            TokenError::Grant(cause) if matches!(**cause, GrantError::TimedOut)
        );
        if timed_out && Instant::now() >= self.ends { out_of_time() } else { error }
    }
}

/// What the store answered.
#[expect(clippy::large_enum_variant, reason = "there is one at a time, on the slow path")]
enum Found {
    Record(Option<Versioned<TokenRecord>>),
    /// It did not answer now, and may a little later.
    Nothing,
    /// It is down, or refuses.
    Down,
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
        let mut patience = None;
        loop {
            if Instant::now() >= want.ends {
                return Err(out_of_time());
            }
            let stored = match found {
                Found::Record(stored) => stored,
                Found::Nothing if self.waits(want, *patience.get_or_insert_with(Instant::now)) => {
                    self.pause(want).await;
                    flight.store_answered();
                    found = self.read(flight).await?;
                    continue;
                }
                Found::Nothing | Found::Down => return self.go_alone(flight, want).await,
            };
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

    /// Whether a caller without a token asks a store again that has been slow or throttling `since`
    /// then: for the length of a lease, in which whoever has it publishes, and for no more than a
    /// half of its own time. A cold fleet that overwhelms its store must not fall upon the provider.
    fn waits(&self, want: &Want<'_>, since: Instant) -> bool {
        let patience = self.policy.lease().min(want.ends.saturating_duration_since(since) / 2);
        since.elapsed() < patience && self.memory.valid(&*self.clock, want.rejected).is_none()
    }

    /// Until the next look at the store.
    async fn pause(&self, want: &Want<'_>) {
        let (shortest, longest) = self.poll;
        let pause = shortest + self.chance.up_to(longest - shortest);
        sleep_until(want.ends.min(Instant::now() + pause)).await;
    }

    async fn read(&self, flight: &mut Flight) -> Result<Found, TokenError> {
        if flight.store_is_absent() {
            return Ok(Found::Down);
        }
        match self.store.read(&self.key).await {
            Ok(mut stored) => {
                flight.store_answered();
                if let Some(stored) = &mut stored {
                    self.check(stored);
                }
                Ok(Found::Record(stored))
            }
            Err(error) => self.store_failed(flight, &error),
        }
    }

    /// Counts damage, and makes a token that cannot be used one more case of it: one that fits into
    /// no header, or is sealed while this process has no keys.
    fn check(&self, stored: &mut Versioned<TokenRecord>) {
        let fits = |token: &AccessToken| {
            token.expose().bytes().all(|byte| byte.is_ascii_graphic()) && !is_sealed(token.expose())
        };
        let is_damaged = stored.damage.is_some()
            || stored.value.token.as_ref().is_some_and(|token| !fits(token));
        if is_damaged {
            self.counters.damaged.increment();
            stored.value.token = None;
        }
    }

    fn store_failed(&self, flight: &mut Flight, error: &StoreError) -> Result<Found, TokenError> {
        // The store is not to blame for an invocation that has no time left.
        if Deadline::current().is_some_and(|deadline| deadline.remaining() < Deadline::LEAST) {
            return Err(out_of_time());
        }
        self.counters.store_errors.increment();
        flight.store_failed(&self.chance);
        tracing::warn!(key = %self.key, %error, "the store of the token failed");
        Ok(if is_overwhelmed(error) { Found::Nothing } else { Found::Down })
    }

    /// Takes the record's token into memory, unless a better one is there.
    fn adopt(&self, record: &TokenRecord, want: &Want<'_>, now: Timestamp) -> Option<Token> {
        let held = self.memory.valid(&*self.clock, want.rejected);
        let record = record.clone().clamped(&self.policy, now);
        let is_better = record.digest == self.digest
            && record.is_valid(now)
            && (want.rejected.is_none() || record.token.as_ref() != want.rejected)
            && held.as_ref().is_none_or(|held| held.expires_at() < record.expires_at);
        if !is_better {
            return held;
        }
        let token = self.memory.hold(&record, TokenSource::Store, now, &self.chance)?;
        if token.source() == TokenSource::Store {
            self.counters.adopted.increment();
            let left = record.expires_at.since(now).as_secs();
            tracing::debug!(key = %self.key, token = token.fingerprint(), left, "token adopted");
        }
        Some(token)
    }

    /// The fleet's remembered failure, remembered here as well: nobody reads it at every call.
    fn remembered(
        &self,
        flight: &mut Flight,
        record: &TokenRecord,
        retry_after: Duration,
    ) -> TokenError {
        let failure = record.failure.as_ref();
        let code = failure.map_or_else(String::new, |failure| failure.code.clone());
        let binds_all = failure.is_none_or(|failure| failure.cred.is_none());
        let look = if binds_all { retry_after } else { retry_after.min(REFUSED_LOOK) };
        let error = TokenError::Remembered { code, retry_after };
        flight.failed = Some((Instant::now() + look, error.clone()));
        error
    }

    async fn take(
        &self,
        flight: &mut Flight,
        version: Option<Version>,
        record: &TokenRecord,
        leased: TokenRecord,
    ) -> Result<Found, TokenError> {
        let since = Instant::now();
        match self.store.write(&self.key, version, WriteId::random(), &leased).await {
            Ok(Swap::Done(version)) => {
                self.counters.leases_won.increment();
                let before = record.lease.as_ref().filter(|lease| lease.holder != self.holder);
                if before.is_some() {
                    self.counters.leases_expired.increment();
                }
                tracing::debug!(key = %self.key, expired = before.is_some(), "lease taken");
                flight.wrote(version, since);
                Ok(Found::Record(Some(Versioned::new(leased, version))))
            }
            Ok(Swap::Conflict(mut current)) => {
                self.counters.leases_lost.increment();
                tracing::debug!(key = %self.key, "lease lost");
                if let Some(current) = &mut current {
                    self.check(current);
                }
                Ok(Found::Record(current))
            }
            // Whether it is ours tells the holder in it.
            Err(error) if error.kind() == StoreErrorKind::Ambiguous => self.read(flight).await,
            Err(error) => self.store_failed(flight, &error),
        }
    }

    /// Asks the provider under the lease that stands in `record`, and publishes what comes.
    ///
    /// `None`: the lease is over, so that somebody else may have it by now.
    async fn mint(
        &self,
        flight: &mut Flight,
        want: &Want<'_>,
        version: Version,
        record: TokenRecord,
    ) -> Result<Option<Token>, TokenError> {
        let until = record.lease.as_ref().map_or(Timestamp::EPOCH, |lease| lease.until);
        let watched = flight.watch(Some(version));
        let left = until.since(self.clock.now()).min(self.policy.lease().saturating_sub(watched));
        if left < LEAST_LEASE {
            sleep(left + Duration::from_millis(1)).await;
            return Ok(None);
        }
        // The lease is given back even after the end of the invocation's work.
        let _pending = PendingReport::begin();
        match self.ask(flight, want, left.min(self.request_timeout)).await {
            Ok(minted) => {
                let next = record.published(&minted, &self.policy, want.rejected.is_some());
                // Held before it is published: a caller that goes away loses no token.
                let token = self.hold_minted(&next);
                self.publish(flight, version, &next).await;
                Ok(token)
            }
            Err(error) => {
                let next = self.after_failure(flight, record, &error);
                let write = self.store.write(&self.key, Some(version), WriteId::random(), &next);
                if let Err(error) = reporting(write).await {
                    tracing::warn!(key = %self.key, %error, "the failure could not be shared");
                }
                Err(want.told(error))
            }
        }
    }

    fn hold_minted(&self, next: &TokenRecord) -> Option<Token> {
        let now = self.clock.now();
        let token = self.memory.hold(next, TokenSource::Minted, now, &self.chance)?;
        let left = next.expires_at.since(now).as_secs();
        tracing::info!(key = %self.key, token = token.fingerprint(), left, "token minted");
        Some(token)
    }

    async fn publish(&self, flight: &mut Flight, version: Version, next: &TokenRecord) {
        let (since, id) = (Instant::now(), WriteId::random());
        let mut attempt = 1;
        let written = loop {
            // The same id each time: sent twice it is one write.
            match reporting(self.store.write(&self.key, Some(version), id, next)).await {
                Err(error) if is_overwhelmed(&error) && attempt < PUBLISH_ATTEMPTS => attempt += 1,
                written => break written,
            }
        };
        match written {
            Ok(Swap::Done(version)) => flight.wrote(version, since),
            Ok(Swap::Conflict(_)) => {
                tracing::info!(key = %self.key, "another process renewed the token meanwhile");
            }
            Err(error) if error.kind() == StoreErrorKind::Invalid => {
                self.counters.store_errors.increment();
                if !std::mem::replace(&mut flight.said_invalid, true) {
                    tracing::error!(key = %self.key, %error, "the store can never take this token");
                }
            }
            Err(error) => {
                self.counters.store_errors.increment();
                flight.store_failed(&self.chance);
                tracing::warn!(key = %self.key, %error, "the token could not be shared");
            }
        }
    }

    /// The record that tells of a failure, which this process remembers as well.
    fn after_failure(
        &self,
        flight: &mut Flight,
        record: TokenRecord,
        error: &TokenError,
    ) -> TokenRecord {
        let (code, is_refusal, retry_after) = match error {
            TokenError::Grant(error) => (error.code(), error.is_refusal(), error.retry_after()),
            TokenError::Open(open) => {
                ("circuit_open", false, Some(open.retry_after.min(OPEN_LOOK)))
            }
            _ => return record.released(),
        };
        let cred = flight.secret.as_ref().map(|known| known.fingerprint.clone());
        let cred = cred.as_deref().filter(|_| is_refusal);
        let now = self.clock.now();
        let next = record.failed(&Fault { code, cred, retry_after }, now, self.chance.draw());
        let until = next.failure.as_ref().map_or(now, |failure| failure.until);
        let mut look = until.since(now);
        if is_refusal {
            flight.refused = Some((Instant::now() + REFUSED_FOR, error.clone()));
            look = look.min(REFUSED_LOOK);
        }
        flight.failed = Some((Instant::now() + look, error.clone()));
        next
    }

    /// The store does not answer: this process renews by itself, at its own place in the refresh
    /// window, so that a fleet without a store does not ask all at once.
    async fn go_alone(&self, flight: &mut Flight, want: &Want<'_>) -> Result<Token, TokenError> {
        let now = self.clock.now();
        if let Some(token) = self.memory.valid(&*self.clock, want.rejected)
            && now < token.place()
        {
            let pause = flight.absence().max(Duration::from_secs(1));
            self.memory.quiet((now + pause).min(token.place()), true);
            return Ok(token.stale());
        }
        if let Some(error) = Flight::standing(&flight.refused) {
            return Err(error);
        }
        let forced = flight.forced_at.filter(|_| want.rejected.is_some());
        if let Some(forced_at) = forced {
            let until = forced_at + funcify_core::token::TokenPolicy::FORCED_INTERVAL;
            if now < until {
                return Err(TokenError::RejectedTooOften { retry_after: until.since(now) });
            }
        }
        match self.ask(flight, want, self.request_timeout).await {
            Ok(minted) => {
                self.counters.alone.increment();
                let record = TokenRecord::default().published(&minted, &self.policy, false);
                flight.alone = TokenRecord::default();
                flight.forced_at = want.rejected.map(|_| now);
                self.hold_minted(&record).ok_or_else(out_of_time)
            }
            Err(error) => {
                let alone = std::mem::take(&mut flight.alone);
                flight.alone = self.after_failure(flight, alone, &error);
                Err(want.told(error))
            }
        }
    }

    /// Asks the provider; with a secret read anew if the one at hand was refused.
    async fn ask(
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
        if answer.is_ok() {
            (flight.failed, flight.refused) = (None, None);
        }
        answer
    }
}

/// A store that answers, or will soon, but too late for this time.
fn is_overwhelmed(error: &StoreError) -> bool {
    use StoreErrorKind::{Ambiguous, Throttled, Timeout};
    matches!(error.kind(), Throttled | Timeout | Ambiguous)
}

fn is_invalid_client(answer: &Result<Minted, TokenError>) -> bool {
    matches!(answer, Err(TokenError::Grant(error)) if error.is_invalid_client())
}

/// A write that only tells others goes on a little longer than work does.
async fn reporting<F: Future>(write: F) -> F::Output {
    match Deadline::current() {
        Some(deadline) => deadline.for_report().scope(write).await,
        None => write.await,
    }
}
