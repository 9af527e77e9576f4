//! The records that follow from a record: leased, published, failed, released.

use std::time::Duration;

use super::{AccessToken, Asker, Lease, RememberedFailure, TokenPolicy, TokenRecord};
use crate::Timestamp;

/// How long a record is kept after its last use: a day. Whose record is older has gone.
const ABANDONED_AFTER: Duration = Duration::from_secs(86_400);

/// The first pause after a failure of the provider, and the longest one that grows from it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_GROWN_PAUSE: Duration = Duration::from_secs(5);

/// A token as it comes from the provider.
#[derive(Clone, Debug, PartialEq)]
pub struct Minted {
    /// The token.
    pub token: AccessToken,
    /// Its type, `Bearer`.
    pub token_type: String,
    /// The scope that was granted, if the provider said so.
    pub scope: Option<String>,
    /// When it was asked for: its life is measured from before the request.
    pub asked_at: Timestamp,
    /// How long it lives.
    pub lifetime: Duration,
}

/// A failure of the provider, to be remembered for the fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault<'a> {
    /// The OAuth 2.0 error code (RFC 6749 §5.2), or `unavailable`.
    pub code: &'a str,
    /// The keyed digest of the secret that was refused, if a secret was: the failure then binds
    /// only its holders.
    pub cred: Option<&'a str>,
    /// How long the provider asked to be left alone.
    pub retry_after: Option<Duration>,
}

impl TokenRecord {
    /// The same record with every time pulled back to the latest that an honest writer could have
    /// stored now: no skewed clock makes anything immortal.
    #[must_use]
    pub fn clamped(mut self, policy: &TokenPolicy, now: Timestamp) -> Self {
        // A clock that is ahead shifted all three; the lifetime is right.
        let ahead = self.minted_at.since(now);
        self.minted_at = self.minted_at.min(now);
        self.expires_at = (self.expires_at - ahead).min(now + TokenPolicy::LONGEST_LIFETIME);
        self.refresh_at = (self.refresh_at - ahead).min(self.expires_at);
        if let Some(lease) = &mut self.lease {
            lease.until = lease.until.min(now + policy.lease());
        }
        if let Some(failure) = &mut self.failure {
            failure.until = failure.until.min(now + TokenPolicy::LONGEST_PAUSE);
        }
        self.forced_at = self.forced_at.map(|forced_at| forced_at.min(now));
        self
    }

    /// Whether there is a token and it has not ended.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.token.is_some() && now < self.expires_at
    }

    /// Whether the record is in use for a token of another shape. A day after its last use, when a
    /// store may drop it, it is nobody's.
    pub(super) fn is_foreign(&self, digest: &str, now: Timestamp) -> bool {
        let lease = self.lease.as_ref().map_or(Timestamp::EPOCH, |lease| lease.until);
        let failure = self.failure.as_ref().map_or(Timestamp::EPOCH, |failure| failure.until);
        let last_use = self.expires_at.max(lease).max(failure);
        !self.digest.is_empty() && self.digest != digest && now < last_use + ABANDONED_AFTER
    }

    /// The record if it has this digest, otherwise a vacant one with it.
    pub(super) fn owned(self, digest: &str) -> Self {
        if self.digest == digest {
            return self;
        }
        Self { digest: digest.to_owned(), unknown: self.unknown, ..Self::default() }
    }

    /// The record with the asker's lease in it.
    pub(super) fn leased(self, asker: &Asker<'_>, policy: &TokenPolicy, now: Timestamp) -> Self {
        let lease = Lease { holder: asker.holder, until: now + policy.lease() };
        Self { lease: Some(lease), ..self }
    }

    /// The record with a new token in it, and without lease or failure.
    ///
    /// `forced`: the one before was rejected by an API.
    #[must_use]
    pub fn published(self, minted: &Minted, policy: &TokenPolicy, forced: bool) -> Self {
        let Minted { token, token_type, scope, asked_at, lifetime } = minted.clone();
        Self {
            token: Some(token),
            token_type: Some(token_type),
            scope,
            minted_at: asked_at,
            refresh_at: asked_at + lifetime.mul_f64(policy.refresh_from()),
            expires_at: asked_at + lifetime,
            lease: None,
            failure: None,
            forced_at: if forced { Some(asked_at) } else { self.forced_at },
            ..self
        }
    }

    /// The record with a failure in it, and without lease; its token stays.
    ///
    /// The pause grows from 1 s to 5 s, so that the fleet backs off together and comes back soon; a
    /// refused secret is left alone for a minute, since only a person can mend it.
    #[must_use]
    pub fn failed(self, fault: &Fault<'_>, now: Timestamp, chance: f64) -> Self {
        let before = self.failure.as_ref().filter(|failure| failure.cred.as_deref() == fault.cred);
        let count = before.map_or(0, |failure| failure.count).saturating_add(1);
        let grown = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(count.saturating_sub(1)));
        let pause = match fault.cred {
            Some(_) => TokenPolicy::LONGEST_PAUSE,
            None => grown.min(LONGEST_GROWN_PAUSE).mul_f64(1.0 - chance / 10.0),
        };
        let asked = fault.retry_after.unwrap_or_default().min(TokenPolicy::LONGEST_PAUSE);
        let failure = RememberedFailure {
            until: now + pause.max(asked),
            code: fault.code.to_owned(),
            count,
            cred: fault.cred.map(str::to_owned),
        };
        Self { lease: None, failure: Some(failure), ..self }
    }

    /// The record without its lease: nobody is asking.
    #[must_use]
    pub fn released(self) -> Self {
        Self { lease: None, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::WriteId;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn minted() -> Minted {
        Minted {
            token: AccessToken::new("new"),
            token_type: "Bearer".to_owned(),
            scope: Some("orders:read".to_owned()),
            asked_at: NOW,
            lifetime: Duration::from_secs(3_600),
        }
    }

    #[test]
    fn a_published_token_is_due_at_a_fraction_of_its_life() {
        let fault = Fault { code: "unavailable", cred: None, retry_after: None };
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
        assert_eq!(next.forced_at, Some(NOW), "the fleet goes on remembering it");
    }

    #[test]
    fn a_token_of_a_fast_clock_keeps_its_lifetime_and_no_more() {
        let ahead = Minted { asked_at: NOW + Duration::from_secs(300), ..minted() };
        let policy = TokenPolicy::default();
        let stored = TokenRecord::default().published(&ahead, &policy, true);
        let honest = TokenRecord::default().published(&minted(), &policy, true);
        assert_eq!(stored.clamped(&policy, NOW), honest);
    }

    #[test]
    fn pauses_grow_to_a_cap_and_start_anew_after_a_token() {
        let fault = Fault { code: "unavailable", cred: None, retry_after: None };
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
    fn a_refused_secret_is_no_failure_of_the_provider_in_a_row_with_others() {
        let refused = Fault { code: "invalid_client", cred: Some("c0ffee00"), retry_after: None };
        let down = Fault { code: "unavailable", cred: None, retry_after: None };
        let record = TokenRecord::default().failed(&refused, NOW, 0.0).failed(&down, NOW, 0.0);
        let failure = record.failure.unwrap();
        assert_eq!((failure.count, failure.until), (1, NOW + Duration::from_secs(1)));
    }

    #[test]
    fn the_provider_is_left_alone_as_long_as_it_asks_but_not_for_ever() {
        let pause = |retry_after| {
            let retry_after = Some(Duration::from_secs(retry_after));
            let fault = Fault { code: "unavailable", cred: None, retry_after };
            TokenRecord::default().failed(&fault, NOW, 0.5).failure.unwrap().until.since(NOW)
        };
        assert_eq!(pause(0), Duration::from_millis(950));
        assert_eq!(pause(7), Duration::from_secs(7));
        assert_eq!(pause(86_400), Duration::from_secs(60));
    }

    #[test]
    fn a_failure_leaves_the_token_where_it_is() {
        let published = TokenRecord::default().published(&minted(), &TokenPolicy::default(), false);
        let refused = Fault { code: "invalid_client", cred: Some("c0ffee00"), retry_after: None };
        let record = published.failed(&refused, NOW, 0.0);
        assert_eq!(record.token, Some(AccessToken::new("new")));
        assert_eq!(record.failure.unwrap().until, NOW + Duration::from_secs(60));
    }

    #[test]
    fn the_golden_records_are_read_and_written_back_as_they_stand() {
        for golden in [
            include_str!("../../tests/records/token.json"),
            include_str!("../../tests/records/token-leased.json"),
            include_str!("../../tests/records/token-failed.json"),
        ] {
            let record: TokenRecord = serde_json::from_str(golden).unwrap();
            let stored: serde_json::Value = serde_json::from_str(golden).unwrap();
            assert_eq!(serde_json::to_value(&record).unwrap(), stored);
        }
    }
}
