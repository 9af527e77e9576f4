//! The record of one key, and its changes: claimed, completed, released.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::IdempotencyPolicy;
use crate::{
    Timestamp,
    register::{Record, RecordKind},
    stored_time::is_credible_end,
};

/// What the fleet knows about one key, as it is stored.
///
/// The default is the empty record: no work has begun. An absent record means the same.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    /// Whether the work is in progress, done, or neither.
    #[doc(hidden)]
    #[serde(default)]
    pub status: Status,
    /// The first 32 hexadecimal digits of the SHA-256 of key and payload. A call with another payload does
    /// not get the answer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
    /// How many claims there were, including the current one.
    #[serde(default)]
    pub attempt: u32,
    /// A number that grows with every claim: the milliseconds since the Unix epoch, or the last fence and
    /// one if that is greater.
    #[serde(default)]
    pub fence: i64,
    /// When the claim began.
    #[serde(default)]
    pub since: Timestamp,
    /// When the claim ends or ended. For a completed record, when it expires.
    #[serde(default)]
    pub until: Timestamp,
    /// The answer as JSON. It is encrypted if the provider seals answers. A completed record without an
    /// answer means that the answer was not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Members that a newer version of funcify has written. They are kept when this version writes.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// The state of the work for a key. There is no status for an expired record: its times show it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody works on the key, because the last claim ended without an answer.
    #[default]
    Released,
    /// A claimant works on the key, or did so until it died.
    InProgress,
    /// The work was done.
    Completed,
}

/// A process that asks for the key.
#[derive(Clone, Debug)]
pub struct Claimant<'a> {
    /// The fingerprint of key and payload.
    pub fingerprint: &'a str,
    /// How long this process can work on the key.
    pub length: Duration,
    /// How long this process has seen the same version of the record, by a monotonic clock.
    pub watched: Duration,
}

#[doc(hidden)]
impl IdempotencyRecord {
    /// Whether the claim in the record is in force, so that nobody else may begin.
    ///
    /// A claim is over at its stored end. The clock of its claimant may be ahead, so it is also over for a
    /// process that has watched the same version of the record for the length of the claim. An end that no
    /// process with a correct clock could have stored by now counts as over.
    #[must_use]
    pub fn stands(&self, watched: Duration, now: Timestamp) -> bool {
        self.status == Status::InProgress
            && now < self.until
            && self.has_credible_claim(now)
            && watched < self.until.since(self.since)
    }

    /// Whether the record says that the work was done, with or without the answer.
    #[must_use]
    pub fn is_done(&self, now: Timestamp) -> bool {
        self.status == Status::Completed
            && now < self.until
            && is_credible_end(self.until, IdempotencyPolicy::LONGEST_RETENTION, now)
    }

    /// Whether the fingerprint and the number of attempts still count. Otherwise the record counts as absent.
    #[must_use]
    pub fn is_remembered(&self, now: Timestamp) -> bool {
        match self.status {
            Status::Completed => self.is_done(now),
            Status::InProgress | Status::Released => {
                now < self.until + IdempotencyPolicy::REMEMBERED && self.has_credible_claim(now)
            }
        }
    }

    fn has_credible_claim(&self, now: Timestamp) -> bool {
        let longest = IdempotencyPolicy::LONGEST_CLAIM + IdempotencyPolicy::CLOCK_ALLOWANCE;
        is_credible_end(self.until, longest, now) && self.until.since(self.since) <= longest
    }

    /// Returns the record with a new claim, which has the next attempt and a greater fence.
    #[must_use]
    pub fn claimed(self, claimant: &Claimant<'_>, now: Timestamp) -> Self {
        let attempt = if self.is_remembered(now) { self.attempt.saturating_add(1) } else { 1 };
        let length = claimant.length.min(IdempotencyPolicy::LONGEST_CLAIM);
        Self {
            status: Status::InProgress,
            fingerprint: claimant.fingerprint.to_owned(),
            attempt,
            fence: next_fence(self.fence, now),
            since: now,
            until: now + length + IdempotencyPolicy::CLOCK_ALLOWANCE,
            answer: None,
            ..self
        }
    }

    /// Returns the record of a completed claim with its answer. With `None` the answer is not kept.
    #[must_use]
    pub fn completed(self, answer: Option<String>, retention: Duration, now: Timestamp) -> Self {
        let until = now + retention.min(IdempotencyPolicy::LONGEST_RETENTION);
        Self { status: Status::Completed, until, answer, ..self }
    }

    /// Returns the record of a claim that was given up. Its attempt and its fence stay, so that those of the
    /// next claim are greater.
    #[must_use]
    pub fn released(self, now: Timestamp) -> Self {
        // At most the end of the claim. The clock may have been set back, so at least its beginning.
        let until = now.min(self.until).max(self.since);
        Self { status: Status::Released, until, answer: None, ..self }
    }
}

/// Returns a greater fence than `last`. A `last` that is more than 366 days in the future is ignored, so
/// that a corrupt fence cannot be the greatest one that there is.
fn next_fence(last: i64, now: Timestamp) -> i64 {
    let latest = (now + IdempotencyPolicy::LONGEST_RETENTION).as_millis();
    let next = if last <= latest { last.saturating_add(1) } else { 0 };
    next.max(now.as_millis())
}

impl Record for IdempotencyRecord {
    const KIND: RecordKind = RecordKind::new("idempotency");

    /// Adds an hour to what is needed, for a store whose clock is ahead.
    fn keep_for(&self, now: Timestamp) -> Duration {
        let needed = match self.status {
            Status::Completed => self.until,
            Status::InProgress | Status::Released => self.until + IdempotencyPolicy::REMEMBERED,
        };
        // A corrupt time must not make a store keep the record for ever.
        needed.since(now).min(IdempotencyPolicy::LONGEST_RETENTION) + Duration::from_secs(3_600)
    }
}

impl fmt::Debug for IdempotencyRecord {
    /// Does not show the answer, which may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyRecord")
            .field("status", &self.status)
            .field("attempt", &self.attempt)
            .field("fence", &self.fence)
            .field("since", &self.since)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn claimant() -> Claimant<'static> {
        let length = Duration::from_secs(30);
        Claimant { fingerprint: "ab", length, watched: Duration::ZERO }
    }

    #[test]
    fn a_claim_always_has_a_bound_and_the_allowance_for_clocks() {
        let claimed = IdempotencyRecord::default().claimed(&claimant(), NOW);
        assert_eq!(claimed.until, NOW + Duration::from_secs(31));
        assert_eq!((claimed.attempt, claimed.fence), (1, NOW.as_millis()));
        let endless = Claimant { length: Duration::MAX, ..claimant() };
        let claimed = IdempotencyRecord::default().claimed(&endless, NOW);
        assert_eq!(claimed.until, NOW + Duration::from_secs(901));
    }

    #[test]
    fn the_fence_grows_with_every_claim_even_by_a_clock_that_went_back() {
        let first = IdempotencyRecord::default().claimed(&claimant(), NOW);
        let back = NOW - Duration::from_secs(60);
        let second = first.clone().released(back).claimed(&claimant(), back);
        assert_eq!((second.attempt, second.fence), (2, first.fence + 1));
        let planted = IdempotencyRecord { fence: i64::MAX, ..second };
        let third = planted.claimed(&claimant(), NOW);
        assert_eq!(third.fence, NOW.as_millis(), "no fence is the last one");
    }

    #[test]
    fn an_end_is_believed_only_if_an_honest_process_could_have_stored_it() {
        let claimed = IdempotencyRecord::default().claimed(&claimant(), NOW);
        assert!(claimed.stands(Duration::ZERO, NOW + Duration::from_millis(30_999)));
        assert!(!claimed.stands(Duration::ZERO, NOW + Duration::from_secs(31)));
        assert!(!claimed.stands(Duration::from_secs(31), NOW), "it was watched for all its time");
        // A reader whose clock is behind believes the end while a claim can last that long by its clock.
        assert!(claimed.stands(Duration::ZERO, NOW - Duration::from_secs(14 * 60)));
        assert!(!claimed.stands(Duration::ZERO, NOW - Duration::from_secs(16 * 60)));
        let planted =
            IdempotencyRecord { until: Timestamp::from_millis(i64::MAX), ..claimed.clone() };
        assert!(!planted.stands(Duration::ZERO, NOW) && !planted.is_remembered(NOW));
        let done = claimed.completed(None, Duration::from_secs(86_400), NOW);
        assert!(done.is_done(NOW + Duration::from_secs(86_399)));
        assert!(!done.is_done(NOW + Duration::from_secs(86_400)));
        let planted = IdempotencyRecord { until: Timestamp::from_millis(i64::MAX), ..done };
        assert!(!planted.is_done(NOW), "an endless answer is not believed");
    }

    #[test]
    fn a_record_is_stored_as_documented_and_keeps_the_members_of_a_newer_version() {
        let stored = serde_json::json!({
            "status": "completed", "fingerprint": "ab", "attempt": 2, "fence": 7, "since": 1,
            "until": 9, "answer": "{\"Ok\":1}", "from_the_future": [1],
        });
        let record: IdempotencyRecord = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(serde_json::to_value(&record).unwrap(), stored);
        assert!(!format!("{record:?}").contains("Ok"), "the debug form hides the answer");
        let empty: IdempotencyRecord = serde_json::from_str("{}").unwrap();
        assert_eq!(empty, IdempotencyRecord::default());
    }
}
