//! The changes of a token's record. Each function takes a record and returns the next one.

use std::time::Duration;

use super::{AccessToken, Lease, RememberedFailure, TokenPolicy, TokenRecord, decide::Asker};
use crate::{
    Timestamp,
    stored_time::{is_credible_end, is_credible_past},
};

/// The `Date` of an answer has whole seconds, and the answer takes a moment to arrive. So a difference of
/// less than 2 s says nothing about a clock.
const DATE_PRECISION: Duration = Duration::from_secs(2);

/// The first pause after a failure of the provider, 1 s, and the longest pause to which it grows, 5 s.
/// Both are short, so that the fleet notices within seconds when the provider answers again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_GROWN_PAUSE: Duration = Duration::from_secs(5);

/// A token that the provider has just granted.
#[derive(Clone, Debug, PartialEq)]
pub struct Minted {
    /// The token.
    pub token: AccessToken,
    /// The type of the token, such as `Bearer`.
    pub token_type: String,
    /// The granted scope, if the provider reported one.
    pub scope: Option<String>,
    /// The time just before the request. The lifetime is counted from here, so that the token is never
    /// used after its end.
    pub asked_at: Timestamp,
    /// When the token was granted by the provider's own clock, if the provider stated it.
    pub issued_at: Option<Timestamp>,
    /// How long the token is valid.
    pub lifetime: Duration,
}

impl Minted {
    /// Returns the same token without the provider's time, so that only the clock of this process counts.
    #[must_use]
    pub fn by_own_clock(self) -> Self {
        Self { issued_at: None, ..self }
    }

    /// Returns how far the clock of this process is ahead of the provider's, as far as the answer shows it.
    /// Less than 2 s count as zero.
    #[must_use]
    pub fn ahead(&self) -> Duration {
        let ahead =
            self.issued_at.map_or(Duration::ZERO, |issued_at| self.asked_at.since(issued_at));
        if ahead < DATE_PRECISION { Duration::ZERO } else { ahead }
    }

    /// Returns how far the clock of this process is behind the provider's, at most. The duration of the
    /// request is included.
    #[must_use]
    pub fn behind(&self) -> Duration {
        self.issued_at.map_or(Duration::ZERO, |issued_at| issued_at.since(self.asked_at))
    }
}

/// A failure of the provider that the fleet remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderFailure<'a> {
    /// The OAuth 2.0 error code (RFC 6749 §5.2), or `unavailable`.
    pub code: &'a str,
    /// The keyed digest of the secret that was refused, if one was. The failure then applies only to the
    /// getters with that secret.
    pub cred: Option<&'a str>,
    /// How long the provider asked for no requests (`Retry-After`).
    pub retry_after: Option<Duration>,
}

#[doc(hidden)]
impl TokenRecord {
    /// Returns the record without the times that no process with a correct clock could have stored by
    /// `now`, and without a token that has such times. See the module `stored_time`.
    #[must_use]
    pub fn credible(mut self, policy: &TokenPolicy, now: Timestamp) -> Self {
        let lifetime = self.expires_at.since(self.minted_at);
        let is_credible = self.minted_at <= now + TokenPolicy::MINTED_AHEAD
            && lifetime <= TokenPolicy::LONGEST_LIFETIME;
        if !is_credible {
            self.token = None;
            (self.minted_at, self.refresh_at, self.expires_at) = Default::default();
        }
        self.refresh_at = self.refresh_at.min(self.expires_at);
        // If one of these times is not believed, the others are not believed either. Otherwise a process
        // would wait for one after the other, and the waits would add up. A lease that remains here although
        // it ends too late is limited in `decide`, by watching it.
        let failure = self.failure.as_ref();
        let failure_binds = failure
            .is_none_or(|failure| is_credible_end(failure.until, failure.longest(), now))
            && self.forced_at.is_none_or(|forced_at| is_credible_past(forced_at, now));
        if !failure_binds {
            self.lease = None;
        }
        self.unshared_until = self
            .unshared_until
            .filter(|until| is_credible_end(*until, TokenPolicy::LONGEST_UNSHARED, now));
        if !failure_binds || !self.has_credible_lease(policy, now) {
            (self.failure, self.forced_at) = Default::default();
        }
        self
    }

    /// Whether a process with a correct clock could have stored the lease. True if there is no lease.
    pub(super) fn has_credible_lease(&self, policy: &TokenPolicy, now: Timestamp) -> bool {
        let until = self.lease.as_ref().map(|lease| lease.until);
        until.is_none_or(|until| is_credible_end(until, policy.lease, now))
    }

    /// Returns the record with the times of its token moved back by `by`, for a process whose clock is
    /// behind by that much.
    #[must_use]
    pub fn earlier(self, by: Duration) -> Self {
        Self {
            minted_at: self.minted_at - by,
            refresh_at: self.refresh_at - by,
            expires_at: self.expires_at - by,
            ..self
        }
    }

    /// Whether the record has a token that has not expired.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.token.is_some() && now < self.expires_at
    }

    /// Whether the record is in use for another token: one with another digest, of which the validity, the
    /// lease or the remembered failure is not over yet.
    pub(super) fn is_foreign(&self, digest: &str, meaning: &str, now: Timestamp) -> bool {
        let lease = self.lease.as_ref().map_or(Timestamp::EPOCH, |lease| lease.until);
        let failure = self.failure.as_ref().map_or(Timestamp::EPOCH, |failure| failure.until);
        let last_use = self.expires_at.max(lease).max(failure);
        !self.digest.is_empty() && !self.is_for(digest, meaning) && now < last_use
    }

    /// Whether the record is for the token with this digest, or with this digest of its canonical
    /// configuration.
    #[must_use]
    pub fn is_for(&self, digest: &str, meaning: &str) -> bool {
        self.digest == digest || self.digest == meaning || self.stored_meaning() == Some(meaning)
    }

    /// Returns the stored digest of the canonical configuration. It counts only if it was stored together
    /// with the present `digest`: version 0.1 replaces `digest`, and keeps `meaning` because it does not
    /// know that member.
    fn stored_meaning(&self) -> Option<&str> {
        self.meaning.as_ref()?.strip_prefix(self.digest.as_str())?.strip_prefix(':')
    }

    /// Returns the record if it is for this token, and otherwise an empty record for this token.
    pub(super) fn owned(self, digest: &str, meaning: &str) -> Self {
        let known = (digest != meaning).then(|| format!("{digest}:{meaning}"));
        if self.digest == digest {
            return Self { meaning: known, ..self };
        }
        if self.is_for(digest, meaning) {
            return self;
        }
        let digest = digest.to_owned();
        Self { digest, meaning: known, unknown: self.unknown, ..Self::default() }
    }

    /// Returns the record with a lease of the asker.
    pub(super) fn leased(self, asker: &Asker<'_>, policy: &TokenPolicy, now: Timestamp) -> Self {
        let lease = Lease { holder: asker.holder, until: now + policy.lease };
        Self { lease: Some(lease), ..self }
    }

    /// Returns the record with a new token, without a lease and without a failure.
    ///
    /// If the clock of this process is ahead of the provider's, the stored times are those of the provider's
    /// clock. Otherwise a process with a correct clock would use the token after its end.
    ///
    /// `forced` says that the token was renewed because an API rejected the last one.
    #[must_use]
    pub fn published(self, minted: &Minted, policy: &TokenPolicy, forced: bool) -> Self {
        let minted_at = minted.asked_at - minted.ahead();
        let Minted { token, token_type, scope, lifetime, .. } = minted.clone();
        Self {
            token: Some(token),
            token_type: Some(token_type),
            scope,
            minted_at,
            refresh_at: minted_at + policy.refresh_after(lifetime),
            expires_at: minted_at + lifetime,
            lease: None,
            failure: None,
            unshared_until: None,
            forced_at: if forced { Some(minted_at) } else { self.forced_at },
            ..self
        }
    }

    /// Returns the record with a failure and without a lease. Its token stays.
    ///
    /// The pause grows from 1 s to 5 s: the whole fleet backs off, and still notices soon when the provider
    /// answers again. A refused secret is not tried again for a minute, because only a person can correct
    /// it.
    #[must_use]
    pub fn failed(self, new: &ProviderFailure<'_>, now: Timestamp, chance: f64) -> Self {
        let before = self.failure.as_ref().filter(|failure| failure.cred.as_deref() == new.cred);
        let count = before.map_or(0, |failure| failure.count).saturating_add(1);
        let grown = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(count.saturating_sub(1)));
        let pause = match new.cred {
            Some(_) => TokenPolicy::LONGEST_PAUSE,
            None => grown.min(LONGEST_GROWN_PAUSE).mul_f64(1.0 - chance / 10.0),
        };
        let asked = new.retry_after.unwrap_or_default().min(TokenPolicy::LONGEST_PAUSE);
        let pause = pause.max(asked);
        let failure = RememberedFailure {
            until: now + pause,
            pause: Some(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)),
            code: new.code.to_owned(),
            count,
            cred: new.cred.map(str::to_owned),
        };
        Self { lease: None, failure: Some(failure), ..self }
    }

    /// Returns the record for a token that the store cannot hold. It has no lease, so nobody waits for the
    /// token. A process tries to store a token again when this one would have been renewed, or after an hour
    /// if that is earlier.
    #[must_use]
    pub fn unshared(self, minted: &Minted, policy: &TokenPolicy, now: Timestamp) -> Self {
        let pause = policy.refresh_after(minted.lifetime).min(TokenPolicy::LONGEST_UNSHARED);
        Self { lease: None, failure: None, unshared_until: Some(now + pause), ..self }
    }

    /// Returns the record without its lease, so that another process can ask the provider.
    #[must_use]
    pub fn released(self) -> Self {
        Self { lease: None, ..self }
    }
}

impl RememberedFailure {
    /// Returns the longest pause that a correct process could have stored.
    fn longest(&self) -> Duration {
        let pause = self.pause.map_or(TokenPolicy::LONGEST_PAUSE, Duration::from_millis);
        pause.min(TokenPolicy::LONGEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::WriteId;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn minted() -> Minted {
        Minted {
            token: AccessToken::from("new"),
            token_type: "Bearer".to_owned(),
            scope: Some("orders:read".to_owned()),
            asked_at: NOW,
            issued_at: None,
            lifetime: Duration::from_secs(3_600),
        }
    }

    #[test]
    fn a_published_token_is_due_at_a_fraction_of_its_life() {
        let fault = ProviderFailure { code: "unavailable", cred: None, retry_after: None };
        let until = NOW + Duration::from_secs(4);
        let lease = Some(Lease { holder: WriteId::from_bits(1), until });
        let before = TokenRecord { lease, ..TokenRecord::default().failed(&fault, NOW, 0.0) };
        let record = before.clone().published(&minted(), &TokenPolicy::default(), false);
        assert_eq!(record.refresh_at, NOW + Duration::from_secs(2_700));
        assert_eq!(record.expires_at, NOW + Duration::from_secs(3_600));
        assert_eq!((record.lease, record.failure, record.forced_at), (None, None, None));
        let forced = before.published(&minted(), &TokenPolicy::default(), true);
        assert_eq!(forced.forced_at, Some(NOW));
        let next = forced.published(&minted(), &TokenPolicy::default(), false);
        assert_eq!(next.forced_at, Some(NOW), "a later renewal keeps the time");
    }

    #[test]
    fn a_token_of_a_fast_clock_is_published_by_the_clock_of_the_provider() {
        let policy = TokenPolicy::default();
        let honest = TokenRecord::default().published(&minted(), &policy, true);
        for ahead in [2, 300, 86_400].map(Duration::from_secs) {
            let fast = Minted { asked_at: NOW + ahead, issued_at: Some(NOW), ..minted() };
            assert_eq!(fast.ahead(), ahead);
            assert_eq!(TokenRecord::default().published(&fast, &policy, true), honest);
            let own = TokenRecord::default().published(&fast.by_own_clock(), &policy, true);
            assert_eq!(own.expires_at, honest.expires_at + ahead);
        }
        for behind in [0, 1, 300].map(Duration::from_secs) {
            let slow = Minted { issued_at: Some(NOW + behind), ..minted() };
            assert_eq!(slow.ahead(), Duration::ZERO, "the earlier end is the safe one");
            assert_eq!(TokenRecord::default().published(&slow, &policy, true), honest);
        }
    }

    #[test]
    fn a_token_that_was_minted_in_the_future_is_not_believed() {
        let policy = TokenPolicy::default();
        let read = |ahead: Duration| {
            let fast = Minted { asked_at: NOW + ahead, ..minted() };
            TokenRecord::default().published(&fast, &policy, false).credible(&policy, NOW)
        };
        assert!(read(Duration::from_secs(30)).is_valid(NOW));
        let unbelieved = read(Duration::from_millis(30_001));
        assert_eq!((unbelieved.token, unbelieved.expires_at), (None, Timestamp::EPOCH));

        let expires_at = NOW + TokenPolicy::LONGEST_LIFETIME + Duration::from_millis(1);
        let record = TokenRecord { expires_at, ..read(Duration::ZERO) };
        assert!(!record.credible(&policy, NOW).is_valid(NOW), "longer than any token lives");
    }

    #[test]
    fn pauses_grow_to_a_limit_and_start_anew_after_a_token() {
        let fault = ProviderFailure { code: "unavailable", cred: None, retry_after: None };
        let mut record = TokenRecord::default();
        let mut pauses = Vec::new();
        for _ in 0..5 {
            record = record.failed(&fault, NOW, 0.0);
            pauses.push(record.failure.as_ref().unwrap().until.since(NOW).as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 5, 5]);
        let record = record.published(&minted(), &TokenPolicy::default(), false);
        assert_eq!(record.failed(&fault, NOW, 0.0).failure.unwrap().count, 1);
    }

    #[test]
    fn a_refused_secret_does_not_count_as_a_failure_of_the_provider_in_a_row() {
        let refused =
            ProviderFailure { code: "invalid_client", cred: Some("c0ffee00"), retry_after: None };
        let down = ProviderFailure { code: "unavailable", cred: None, retry_after: None };
        let record = TokenRecord::default().failed(&refused, NOW, 0.0).failed(&down, NOW, 0.0);
        let failure = record.failure.unwrap();
        assert_eq!((failure.count, failure.until), (1, NOW + Duration::from_secs(1)));
    }

    #[test]
    fn a_retry_after_is_kept_up_to_a_minute() {
        let pause = |retry_after| {
            let retry_after = Some(Duration::from_secs(retry_after));
            let fault = ProviderFailure { code: "unavailable", cred: None, retry_after };
            TokenRecord::default().failed(&fault, NOW, 0.5).failure.unwrap().until.since(NOW)
        };
        assert_eq!(pause(0), Duration::from_millis(950));
        assert_eq!(pause(7), Duration::from_secs(7));
        assert_eq!(pause(86_400), Duration::from_secs(60));
    }

    #[test]
    fn a_failure_keeps_the_token() {
        let published = TokenRecord::default().published(&minted(), &TokenPolicy::default(), false);
        let refused =
            ProviderFailure { code: "invalid_client", cred: Some("c0ffee00"), retry_after: None };
        let record = published.failed(&refused, NOW, 0.0);
        assert_eq!(record.token, Some(AccessToken::from("new")));
        assert_eq!(record.failure.unwrap().until, NOW + Duration::from_secs(60));
    }

    /// A process of version 0.1 wrote the records in `v0_1`.
    #[test]
    fn f25_the_golden_records_are_read_and_written_back_unchanged() {
        for golden in [
            include_str!("../../tests/records/token.json"),
            include_str!("../../tests/records/token-leased.json"),
            include_str!("../../tests/records/token-failed.json"),
            include_str!("../../tests/records/v0_1/token-granted.json"),
            include_str!("../../tests/records/v0_1/token-granted-over-newer.json"),
            include_str!("../../tests/records/v0_1/token-refused.json"),
            include_str!("../../tests/records/v0_1/token-unavailable.json"),
        ] {
            let record: TokenRecord = serde_json::from_str(golden).unwrap();
            let stored: serde_json::Value = serde_json::from_str(golden).unwrap();
            assert_eq!(serde_json::to_value(&record).unwrap(), stored);
        }
    }
}
