//! What to do about a key, given its record. The functions are pure: the time is an argument.

use super::record::{Claimant, IdempotencyRecord};
use crate::Timestamp;

/// What to do about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyDecision {
    /// Try to take the key: replace the record that was read by this one.
    Claim(Box<IdempotencyRecord>),
    /// The work was done. Return the answer in the record.
    Replay,
    /// Refuse the call: the key was used with another payload.
    Mismatch,
    /// Another process works on the key. Read the record again later.
    Wait {
        /// When the claim is over, by the clock of the reader.
        until: Timestamp,
    },
}

/// Decides what to do about a key. The empty record represents an absent one.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use funcify_core::{Timestamp, engine::{Claimant, KeyDecision, decide_key}};
/// use funcify_core::idempotency::IdempotencyRecord;
///
/// let now = Timestamp::from_millis(1_700_000_000_000);
/// let length = Duration::from_secs(30);
/// let me = Claimant { fingerprint: "a1", length, watched: Duration::ZERO };
/// let KeyDecision::Claim(claimed) = decide_key(&IdempotencyRecord::default(), &me, now) else {
///     panic!("nobody has the key");
/// };
/// let until = now + Duration::from_secs(31);
/// assert_eq!(decide_key(&claimed, &me, now), KeyDecision::Wait { until });
/// let other = Claimant { fingerprint: "b2", ..me };
/// assert_eq!(decide_key(&claimed, &other, now), KeyDecision::Mismatch);
/// ```
#[must_use]
pub fn decide(record: &IdempotencyRecord, claimant: &Claimant<'_>, now: Timestamp) -> KeyDecision {
    if record.is_remembered(now) && record.fingerprint != claimant.fingerprint {
        return KeyDecision::Mismatch;
    }
    if record.is_done(now) {
        return KeyDecision::Replay;
    }
    if record.stands(claimant.watched, now) {
        let watched_out = record.until.since(record.since).saturating_sub(claimant.watched);
        return KeyDecision::Wait { until: record.until.min(now + watched_out) };
    }
    KeyDecision::Claim(Box::new(record.clone().claimed(claimant, now)))
}

/// What a claimant does if it could not complete its claim, because the store holds something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostClaim {
    /// The store lost the record, and the claim is still in force. Write the answer as a new record.
    WriteAnew,
    /// Another process completed the same work. Return its answer.
    Answered,
    /// Another process took the key over, or the claim is over. The answer of this claimant is not stored.
    Superseded,
}

/// Decides what a claimant does after a conflict at completion. `stands` says whether its claim is still
/// in force by its monotonic clock and by its wall clock.
#[must_use]
pub fn decide_lost(
    stored: Option<&IdempotencyRecord>,
    claim: &IdempotencyRecord,
    stands: bool,
    now: Timestamp,
) -> LostClaim {
    match stored {
        // A corrupt record is read as the empty record, so it is treated like a lost one.
        None => lost(stands),
        Some(stored) if *stored == IdempotencyRecord::default() => lost(stands),
        Some(stored) if stored.is_done(now) && stored.fingerprint == claim.fingerprint => {
            LostClaim::Answered
        }
        Some(_) => LostClaim::Superseded,
    }
}

fn lost(stands: bool) -> LostClaim {
    if stands { LostClaim::WriteAnew } else { LostClaim::Superseded }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn claimant(fingerprint: &str) -> Claimant<'_> {
        Claimant { fingerprint, length: Duration::from_secs(30), watched: Duration::ZERO }
    }

    #[test]
    fn each_state_of_a_key_leads_to_one_decision() {
        let claimed = IdempotencyRecord::default().claimed(&claimant("a"), NOW);
        let done = claimed.clone().completed(Some("1".into()), DAY, NOW);
        let released = claimed.clone().released(NOW);
        let (soon, over) = (NOW + Duration::from_secs(30), NOW + Duration::from_secs(31));
        for (what, record, fingerprint, now, expected) in [
            ("nothing", &IdempotencyRecord::default(), "a", NOW, "claim 1"),
            ("in progress", &claimed, "a", soon, "wait"),
            ("in progress, other payload", &claimed, "b", soon, "mismatch"),
            ("a claim that is over", &claimed, "a", over, "claim 2"),
            ("a claim that is over, other payload", &claimed, "b", over, "mismatch"),
            ("a claim forgotten, other payload", &claimed, "b", over + DAY, "claim 1"),
            ("released", &released, "a", NOW, "claim 2"),
            ("released, other payload", &released, "b", NOW, "mismatch"),
            ("completed", &done, "a", soon, "replay"),
            ("completed, other payload", &done, "b", soon, "mismatch"),
            ("expired", &done, "a", NOW + DAY, "claim 1"),
            ("expired, other payload", &done, "b", NOW + DAY, "claim 1"),
        ] {
            let found = match decide(record, &claimant(fingerprint), now) {
                KeyDecision::Claim(claimed) => format!("claim {}", claimed.attempt),
                KeyDecision::Replay => "replay".to_owned(),
                KeyDecision::Mismatch => "mismatch".to_owned(),
                KeyDecision::Wait { .. } => "wait".to_owned(),
            };
            assert_eq!(found, expected, "{what}");
        }
    }

    #[test]
    fn a_completion_that_lost_is_written_anew_only_on_nothing_and_while_the_claim_stands() {
        let claim = IdempotencyRecord::default().claimed(&claimant("a"), NOW);
        let other = IdempotencyRecord::default().claimed(&claimant("b"), NOW);
        let done = claim.clone().completed(None, DAY, NOW);
        let (empty, foreign) = (IdempotencyRecord::default(), other.completed(None, DAY, NOW));
        for (stored, stands, expected) in [
            (None, true, LostClaim::WriteAnew),
            (None, false, LostClaim::Superseded),
            (Some(&empty), true, LostClaim::WriteAnew),
            (Some(&done), false, LostClaim::Answered),
            (Some(&claim), true, LostClaim::Superseded),
            (Some(&foreign), true, LostClaim::Superseded),
        ] {
            assert_eq!(decide_lost(stored, &claim, stands, NOW), expected, "{stored:?} {stands}");
        }
    }

    #[test]
    fn no_record_however_odd_keeps_a_key_longer_than_the_longest_honest_one() {
        let ends = [i64::MIN, 0, NOW.as_millis() + 1, NOW.as_millis() + 899_000, i64::MAX];
        for (since, until) in ends.iter().flat_map(|since| ends.map(|until| (*since, until))) {
            let [since, until] = [since, until].map(Timestamp::from_millis);
            let record = IdempotencyRecord {
                status: super::super::record::Status::InProgress,
                fingerprint: "a".to_owned(),
                since,
                until,
                ..IdempotencyRecord::default()
            };
            let longest = Duration::from_secs(15 * 60 + 2);
            // The end must not move away when the record is read repeatedly.
            let mut now = NOW;
            while let KeyDecision::Wait { .. } = decide(&record, &claimant("a"), now) {
                assert!(now <= NOW + longest, "{record:?}");
                now = now + Duration::from_millis(250);
            }
        }
    }
}
