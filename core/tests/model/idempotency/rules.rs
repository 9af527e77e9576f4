//! The real rules on the records of the model, and the changes that the mutants make to them.

use std::time::Duration;

use funcify_core::engine::{Claimant, KeyDecision, KeyStatus, LostClaim, decide_key, decide_lost};

use super::state::{Answer, Claim, Record, Seconds, at};

/// How long a process can work, and how long an answer is kept, in seconds.
pub(super) const LENGTH: Seconds = 20;
const RETENTION: Duration = Duration::from_secs(30);

/// The rule that is deliberately broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    BlindCompletion,
    BlindRelease,
    ReleaseOfAnothers,
    FingerprintLost,
    EndlessClaim,
    TakeoverWithoutAVersion,
    SecondsForMilliseconds,
    EndlessWait,
    FrozenGoesOn,
    UnscopedKey,
}

#[derive(Clone, Debug)]
pub(super) enum Decided {
    Claim(Record),
    Replay(Option<Answer>),
    Mismatch,
    Wait,
}

#[derive(Debug)]
pub(super) struct Rules {
    pub(super) flaw: Option<Flaw>,
}

impl Rules {
    pub(super) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// Decides what to do about the key. `now` is the time of the caller's clock.
    pub(super) fn decide(
        &self,
        stored: Option<&Record>,
        payload: u8,
        watched: Seconds,
        now: Seconds,
    ) -> Decided {
        let fingerprint = payload.to_string();
        let claimant = Claimant {
            fingerprint: &fingerprint,
            length: Duration::from_secs(LENGTH as u64),
            watched: Duration::from_secs(watched as u64),
        };
        let record = stored.map(Record::real).unwrap_or_default();
        match decide_key(&record, &claimant, at(now)) {
            KeyDecision::Claim(claimed) => {
                let mut claimed = Record::of(&claimed);
                match self.flaw {
                    Some(Flaw::EndlessClaim) => claimed.until = 30_000,
                    Some(Flaw::SecondsForMilliseconds) => claimed.until = now,
                    _ => {}
                }
                Decided::Claim(claimed)
            }
            KeyDecision::Replay => Decided::Replay(stored.and_then(|stored| stored.answer)),
            KeyDecision::Mismatch => Decided::Mismatch,
            KeyDecision::Wait { .. } => Decided::Wait,
        }
    }

    /// Whether the mutant that writes claims without an end treats the key as taken. It believes any end.
    pub(super) fn is_held(&self, stored: Option<&Record>) -> bool {
        self.has(Flaw::EndlessClaim)
            && stored.is_some_and(|stored| stored.status == KeyStatus::InProgress)
    }

    /// Whether the claim is in force by the clock of its claimant.
    pub(super) fn stands(&self, claim: &Claim, now: Seconds) -> bool {
        self.has(Flaw::FrozenGoesOn) || now < claim.record.since + LENGTH
    }

    pub(super) fn completed(&self, claim: &Claim, answer: Answer, now: Seconds) -> Record {
        let keeps = Record { answer: Some(answer), ..claim.record.clone() };
        let text = keeps.real().answer;
        let mut done = Record::of(&claim.record.real().completed(text, RETENTION, at(now)));
        if self.has(Flaw::FingerprintLost) {
            done.fingerprint.clear();
        }
        done
    }

    pub(super) fn released(record: &Record, now: Seconds) -> Record {
        Record::of(&record.real().released(at(now)))
    }

    pub(super) fn lost(
        stored: Option<&Record>,
        claim: &Claim,
        stands: bool,
        now: Seconds,
    ) -> LostClaim {
        let stored = stored.map(Record::real);
        decide_lost(stored.as_ref(), &claim.record.real(), stands, at(now))
    }
}
