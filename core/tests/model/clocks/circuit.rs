//! The circuit of the fleet.

use funcify_core::{
    Timestamp,
    circuit::{CallOutcome, CircuitPolicy, CircuitRecord, CircuitState, CountRule},
    engine::circuit::{
        Admission, Instance, Permit, Probe, Report, admit, apply, credible, lease as take_lease,
    },
    register::WriteId,
};

use super::fleet::{Clocks, Deed, Look, Rule, State, Subject, at, seconds, text};

/// Processes that share a circuit.
pub(super) struct Circuit;

impl Circuit {
    fn policy() -> CircuitPolicy {
        let mut policy = CircuitPolicy::new(CountRule::new(1, seconds(60)));
        (policy.open_duration, policy.max_open_duration) = (seconds(20), seconds(40));
        policy.successes = 1;
        policy
    }

    fn record(state: &State) -> CircuitRecord {
        serde_json::from_str(&state.record).unwrap()
    }

    fn read(mut record: CircuitRecord, clocks: &Clocks, now: Timestamp) -> CircuitRecord {
        let policy = Self::policy();
        match clocks.rule {
            Rule::Credible | Rule::OwnClock => credible(record, &policy, now),
            Rule::Believed => record,
            Rule::Lowered => {
                let opened = record.changed_at.min(now);
                record.open_until = record.open_until.min(opened + policy.max_open_duration);
                for probe in &mut record.probes {
                    probe.until = probe.until.min(now + seconds(12));
                }
                record
            }
        }
    }

    fn reports(
        record: &CircuitRecord,
        probe: Option<Probe>,
        outcome: CallOutcome,
        now: Timestamp,
    ) -> Option<CircuitRecord> {
        let permit = Permit::of(record, probe);
        let report =
            Report { permit, outcome, slow: false, weight: 1, instance: Instance::new("i") };
        apply(record, &Self::policy(), &report, now, 1.0).map(without_history)
    }

    fn probe(id: u128, now: Timestamp) -> Probe {
        Probe { id: WriteId::from_bits(id), until: now + seconds(12) }
    }
}

impl Subject for Circuit {
    const LONGEST: i64 = 41;

    fn planted(clocks: &Clocks) -> Vec<String> {
        let mut planted = vec![CircuitRecord::default()];
        for far in [at(clocks.wrong_by), at(clocks.wrong_by + 62), Timestamp::from_millis(i64::MAX)]
        {
            for (state, changed_at) in [
                (CircuitState::Open, far),
                (CircuitState::Open, at(0)),
                (CircuitState::HalfOpen, far),
            ] {
                let mut record = CircuitRecord::default();
                (record.state, record.changed_at, record.open_until) = (state, changed_at, far);
                record.probes = vec![Probe { id: WriteId::from_bits(9), until: far }];
                planted.push(record);
            }
        }
        planted.iter().map(text).collect()
    }

    fn look(clocks: &Clocks, state: &mut State, look: Look) {
        let (policy, now) = (Self::policy(), at(state.now));
        let record = Self::read(Self::record(state), clocks, now);
        match admit(&record, &policy, now) {
            Admission::Refused { .. } => state.waits(),
            Admission::Admitted => state.goes_on(),
            Admission::IfLeased => {
                let probe = Self::probe(1, now);
                let Some(round) = lease(&record, &policy, probe, now) else { return state.waits() };
                let next = match look {
                    Look::Dies => Some(round),
                    Look::Succeeds | Look::Watches => {
                        Self::reports(&round, Some(probe), CallOutcome::Success, now)
                    }
                };
                state.writes(text(&next.unwrap()));
            }
        }
    }

    fn deed(clocks: &Clocks, state: &State, by: i64, deed: Deed) -> String {
        let (policy, now) = (Self::policy(), at(state.now + by));
        let record = Self::read(Self::record(state), clocks, now);
        let next = match deed {
            Deed::TakesLease => lease(&record, &policy, Self::probe(2, now), now),
            Deed::Fails => Self::reports(&record, None, CallOutcome::Failure, now),
            Deed::Publishes => {
                lease(&record, &policy, Self::probe(3, now), now).and_then(|round| {
                    Self::reports(&round, Some(Self::probe(3, now)), CallOutcome::Success, now)
                })
            }
        };
        text(&next.unwrap_or(record))
    }
}

/// Takes a place for a probe. The history is left out, because no rule uses it, and with it the number of
/// states would grow.
fn lease(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    probe: Probe,
    now: Timestamp,
) -> Option<CircuitRecord> {
    take_lease(record, policy, probe, Instance::new("i"), now).map(without_history)
}

fn without_history(mut record: CircuitRecord) -> CircuitRecord {
    record.history.clear();
    record
}
