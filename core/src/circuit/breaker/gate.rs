//! The few numbers of the snapshot that admit or refuse nearly every call.

use std::sync::atomic::{
    AtomicI64, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

use super::snapshot::Snapshot;
use crate::{
    Timestamp,
    circuit::{
        Cause,
        rules::{Admission, Permit, Sampling},
    },
};

/// What admits or refuses a call by a fresh snapshot, without taking hold of the snapshot, which
/// would cost more than all the rest of a healthy call.
///
/// A sequence lock (Boehm: *Can Seqlocks Get Along With Programming Language Memory Models?*, MSPC
/// 2012): a reader that met a change looks at the snapshot itself.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// Odd while the numbers change.
    turn: AtomicU64,
    taken_at: AtomicI64,
    fresh_until: AtomicI64,
    epoch: AtomicU64,
    changed_at: AtomicI64,
    refused_until: AtomicI64,
    good: AtomicU64,
    bad: AtomicU64,
    sign: AtomicUsize,
}

/// On what terms a call was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) permit: Permit,
    pub(super) sampling: Sampling,
    /// Whether the permit is from the private record of an outage.
    pub(super) private: bool,
}

/// What stands at the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Pass(Terms),
    Refused { until: Timestamp, cause: Cause },
}

/// The signs as a number: closed for now, pass, pass by the private record; from there on the cause
/// of a refusal.
const CLOSED: usize = 0;
const PASS: usize = 1;
const PASS_PRIVATE: usize = 2;
const REFUSED: usize = 3;

const CAUSES: [Cause; 10] = [
    Cause::Failures,
    Cause::FailureRate,
    Cause::SlowCalls,
    Cause::ProbeFailed,
    Cause::Probing,
    Cause::ThisInstance,
    Cause::Override,
    Cause::StoreDown,
    Cause::Stale,
    Cause::Unknown,
];

impl Gate {
    /// Shows what `snapshot` says. Only who holds the lock for changes may do this.
    pub(super) fn show(&self, snapshot: &Snapshot) {
        let Terms { permit, sampling, private } = snapshot.terms(None);
        let (sign, until) = match snapshot.admission {
            Admission::Admitted if private => (PASS_PRIVATE, Timestamp::EPOCH),
            Admission::Admitted => (PASS, Timestamp::EPOCH),
            Admission::Refused { until, cause } => {
                let place = CAUSES.iter().position(|known| *known == cause);
                (place.map_or(CLOSED, |place| REFUSED + place), until)
            }
            Admission::IfLeased => (CLOSED, Timestamp::EPOCH),
        };
        let (taken_at, fresh_until) = snapshot.fresh();

        let turn = self.turn.load(Relaxed);
        self.turn.store(turn.wrapping_add(1), Relaxed);
        fence(Release);
        self.taken_at.store(taken_at.as_millis(), Relaxed);
        self.fresh_until.store(fresh_until.as_millis(), Relaxed);
        self.epoch.store(permit.epoch, Relaxed);
        self.changed_at.store(permit.changed_at.as_millis(), Relaxed);
        self.refused_until.store(until.as_millis(), Relaxed);
        self.good.store(sampling.good.into(), Relaxed);
        self.bad.store(sampling.bad.into(), Relaxed);
        self.sign.store(sign, Relaxed);
        self.turn.store(turn.wrapping_add(2), Release);
    }

    /// What it shows at `now`; `None` where the snapshot is stale or changes, and where a lease is
    /// needed.
    pub(super) fn sign(&self, now: Timestamp) -> Option<Sign> {
        let millis = |number: &AtomicI64| Timestamp::from_millis(number.load(Relaxed));
        let weight = |number: &AtomicU64| u32::try_from(number.load(Relaxed)).unwrap_or(u32::MAX);

        let turn = self.turn.load(Acquire);
        let (taken_at, fresh_until) = (millis(&self.taken_at), millis(&self.fresh_until));
        let permit = Permit {
            epoch: self.epoch.load(Relaxed),
            changed_at: millis(&self.changed_at),
            probe: None,
        };
        let until = millis(&self.refused_until);
        let sampling = Sampling { good: weight(&self.good), bad: weight(&self.bad) };
        let sign = self.sign.load(Relaxed);
        fence(Acquire);
        if turn % 2 == 1 || self.turn.load(Relaxed) != turn || now < taken_at || fresh_until <= now
        {
            return None;
        }
        match sign {
            CLOSED => None,
            PASS | PASS_PRIVATE => {
                Some(Sign::Pass(Terms { permit, sampling, private: sign == PASS_PRIVATE }))
            }
            refused => {
                let cause = *CAUSES.get(refused - REFUSED)?;
                Some(Sign::Refused { until, cause })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::circuit::{CircuitPolicy, CircuitRecord, CircuitState};

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn of(record: CircuitRecord) -> Snapshot {
        Snapshot::of(record, &CircuitPolicy::default(), NOW)
    }

    fn open(cause: Cause) -> CircuitRecord {
        let open_until = NOW + Duration::from_secs(20);
        CircuitRecord {
            state: CircuitState::Open,
            cause: Some(cause),
            open_until,
            epoch: 7,
            changed_at: NOW,
            ..CircuitRecord::default()
        }
    }

    #[test]
    fn a_gate_shows_what_the_snapshot_says_while_it_is_fresh() {
        let gate = Gate::default();
        assert_eq!(gate.sign(NOW), None, "nothing was looked at yet");

        let closed = of(CircuitRecord { epoch: 6, changed_at: NOW, ..CircuitRecord::default() });
        gate.show(&closed);
        assert_eq!(gate.sign(NOW), Some(Sign::Pass(closed.terms(None))));
        assert_eq!(gate.sign(NOW + CircuitPolicy::default().calm), None, "stale");
        assert_eq!(gate.sign(NOW - Duration::from_millis(1)), None, "before it was taken");

        for cause in CAUSES {
            let snapshot = of(open(cause));
            gate.show(&snapshot);
            let Admission::Refused { until, cause } = snapshot.admission else {
                panic!("expected a refusal, got {:?}", snapshot.admission)
            };
            assert_eq!(gate.sign(NOW), Some(Sign::Refused { until, cause }));
        }
        gate.show(&of(CircuitRecord { open_until: NOW, ..open(Cause::Failures) }));
        assert_eq!(gate.sign(NOW), None, "a lease is needed");
    }

    #[test]
    fn no_reader_sees_half_of_a_change() {
        let gate = Arc::new(Gate::default());
        let shown = |epoch: u64| {
            let changed_at = NOW - Duration::from_millis(epoch);
            of(CircuitRecord { epoch, changed_at, ..CircuitRecord::default() })
        };
        gate.show(&shown(0));
        let writer = std::thread::spawn({
            let gate = Arc::clone(&gate);
            move || (0..200_000).for_each(|turn| gate.show(&shown(turn % 1_000)))
        });
        let mut seen = 0;
        while !writer.is_finished() {
            let Some(Sign::Pass(Terms { permit, .. })) = gate.sign(NOW) else { continue };
            assert_eq!(permit.changed_at, NOW - Duration::from_millis(permit.epoch));
            seen += 1;
        }
        assert!(seen > 0);
        gate.turn.fetch_add(1, Relaxed);
        assert_eq!(gate.sign(NOW), None, "a change is under way");
    }
}
