//! A few numbers of the snapshot, by which nearly every call is admitted or refused.

mod seqlock;

#[cfg(test)]
mod loom;

use std::ops::Range;

use self::seqlock::Seqlock;
use crate::{
    Timestamp,
    circuit::{
        Cause,
        rules::{Permit, Sampling},
    },
};

/// The atomics of the sequence lock. Its test replaces them by those of loom.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicU64, Ordering, fence};
}

/// The decision of a fresh snapshot about a call that is not a probe.
///
/// A call reads this copy of a few numbers instead of the snapshot itself. Loading the snapshot from its
/// `ArcSwap` takes two locked instructions. Measured with that load, an admitted call was slower by a
/// third, and a refused call by two fifths.
#[derive(Debug)]
pub(in crate::circuit::breaker) struct FastPath(Seqlock<6>);

/// The terms on which a call was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::circuit::breaker) struct AdmissionTerms {
    pub(in crate::circuit::breaker) permit: Permit,
    pub(in crate::circuit::breaker) sampling: Sampling,
    /// Whether the permit is from the private record of this process, because the store is down.
    pub(in crate::circuit::breaker) private: bool,
}

/// The decision about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::circuit::breaker) enum Decision {
    Admitted(AdmissionTerms),
    Refused { until: Timestamp, cause: Cause },
}

/// The code of a decision: none, admitted, or admitted by the private record. From `REFUSED` on, each
/// cause of a refusal has a code.
const NONE: u64 = 0;
const ADMITTED: u64 = 1;
const ADMITTED_PRIVATELY: u64 = 2;
const REFUSED: u64 = 3;

impl FastPath {
    /// Creates a fast path without a decision.
    pub(in crate::circuit::breaker) fn new() -> Self {
        Self(Seqlock::new([NONE; 6]))
    }

    /// Publishes a decision for the time in which it is fresh. The caller must hold the lock for changes of
    /// the snapshot.
    pub(in crate::circuit::breaker) fn publish(
        &self,
        decision: Option<Decision>,
        fresh: Range<Timestamp>,
    ) {
        let [start, end] = [fresh.start, fresh.end].map(bits);
        self.0.write(match decision {
            None => [start, end, 0, 0, 0, NONE],
            Some(Decision::Admitted(AdmissionTerms { permit, sampling, private })) => {
                let code = if private { ADMITTED_PRIVATELY } else { ADMITTED };
                let sampling = u64::from(sampling.good) << 32 | u64::from(sampling.bad);
                [start, end, permit.epoch, bits(permit.changed_at), sampling, code]
            }
            Some(Decision::Refused { until, cause }) => {
                let code = (REFUSED..).zip(Cause::ALL).find(|(_, known)| *known == cause);
                [start, end, bits(until), 0, 0, code.map_or(NONE, |(code, _)| code)]
            }
        });
    }

    /// Returns the decision at `now`. `None` if the snapshot is stale, if it is just being replaced, or if
    /// the call needs a lease.
    #[inline]
    pub(in crate::circuit::breaker) fn decision(&self, now: Timestamp) -> Option<Decision> {
        let [start, end, first, second, sampling, code] = self.0.read()?;
        if now < timestamp(start) || timestamp(end) <= now {
            return None;
        }
        match code {
            NONE => None,
            ADMITTED | ADMITTED_PRIVATELY => {
                let permit = Permit { epoch: first, changed_at: timestamp(second), probe: None };
                let sampling = sampling_of(sampling);
                let private = code == ADMITTED_PRIVATELY;
                Some(Decision::Admitted(AdmissionTerms { permit, sampling, private }))
            }
            refused => {
                let place = usize::try_from(refused - REFUSED).unwrap_or(usize::MAX);
                Some(Decision::Refused { until: timestamp(first), cause: *Cause::ALL.get(place)? })
            }
        }
    }
}

/// Unpacks a sampling from the two halves of a word.
#[expect(clippy::cast_possible_truncation, reason = "each half of the word is one number")]
fn sampling_of(word: u64) -> Sampling {
    Sampling { good: (word >> 32) as u32, bad: word as u32 }
}

fn bits(timestamp: Timestamp) -> u64 {
    timestamp.as_millis().cast_unsigned()
}

fn timestamp(bits: u64) -> Timestamp {
    Timestamp::from_millis(bits.cast_signed())
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const LATER: Timestamp = Timestamp::from_millis(1_700_000_005_000);

    fn admitted(epoch: u64, changed_at: Timestamp, private: bool) -> Decision {
        Decision::Admitted(AdmissionTerms {
            permit: Permit { epoch, changed_at, probe: None },
            sampling: Sampling { good: 7, bad: 2 },
            private,
        })
    }

    #[test]
    fn a_decision_is_read_as_it_was_published_while_it_is_fresh() {
        let fast_path = FastPath::new();
        assert_eq!(fast_path.decision(NOW), None, "no snapshot was taken yet");

        let never = Timestamp::from_millis(i64::MIN);
        let decisions = [admitted(6, NOW, false), admitted(u64::MAX, never, true)]
            .into_iter()
            .chain(Cause::ALL.map(|cause| Decision::Refused { until: LATER, cause }));
        for decision in decisions {
            fast_path.publish(Some(decision), NOW..LATER);
            assert_eq!(fast_path.decision(NOW), Some(decision));
            assert_eq!(fast_path.decision(LATER), None, "stale");
            let before = NOW - Duration::from_millis(1);
            assert_eq!(fast_path.decision(before), None, "before it was taken");
        }
        fast_path.publish(None, NOW..LATER);
        assert_eq!(fast_path.decision(NOW), None, "a lease is needed");
    }

    #[test]
    fn no_reader_sees_half_of_a_change() {
        let fast_path = Arc::new(FastPath::new());
        let shown = |epoch: u64| Some(admitted(epoch, NOW - Duration::from_millis(epoch), false));
        fast_path.publish(shown(0), NOW..LATER);
        let writer = std::thread::spawn({
            let fast_path = Arc::clone(&fast_path);
            move || (0..200_000).for_each(|turn| fast_path.publish(shown(turn % 1_000), NOW..LATER))
        });
        let mut seen = 0;
        while !writer.is_finished() {
            let Some(Decision::Admitted(terms)) = fast_path.decision(NOW) else { continue };
            let permit = terms.permit;
            assert_eq!(permit.changed_at, NOW - Duration::from_millis(permit.epoch));
            seen += 1;
        }
        assert!(seen > 0);
    }
}
