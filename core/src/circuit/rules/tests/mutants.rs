//! Each promise of the rules is a function that gets the rules. The real rules must keep every promise. A
//! mutant, in which one rule is broken, must break its promise, or the promise checks nothing.

use crate::{
    Timestamp,
    circuit::{
        CircuitPolicy, CircuitRecord, CircuitState, CountRule, Failure, Instance, Override,
        OverrideMode, Probe,
        rules::{self, Admission, CallOutcome, Permit, Report},
    },
    register::WriteId,
};

use super::{START, five_a_minute, lease, millis, seconds, with_rule};

type Credible = fn(CircuitRecord, &CircuitPolicy, Timestamp) -> CircuitRecord;
type Admit = fn(&CircuitRecord, &CircuitPolicy, Timestamp) -> Admission;
type Lease = fn(&CircuitRecord, &CircuitPolicy, Probe, Timestamp) -> Option<CircuitRecord>;
type Apply = fn(&CircuitRecord, &CircuitPolicy, &Report, Timestamp, f64) -> Option<CircuitRecord>;

#[derive(Clone, Copy)]
struct Rules {
    credible: Credible,
    admit: Admit,
    lease: Lease,
    apply: Apply,
}

const REAL: Rules =
    Rules { credible: rules::credible, admit: rules::admit, lease, apply: rules::apply };

type Promise = fn(&Rules) -> bool;

#[test]
fn each_mutant_breaks_its_promise_and_the_real_rules_keep_them_all() {
    let mutants: [(&str, Promise, Rules); 15] = [
        ("unfenced epoch", late_results_do_not_count, Rules { apply: unfenced, ..REAL }),
        ("late success closes", late_success_does_not_close, Rules { apply: unfenced, ..REAL }),
        ("late failure reopens", late_failure_does_not_reopen, Rules { apply: reopening, ..REAL }),
        (
            "epoch only",
            a_flush_does_not_revive_an_old_epoch,
            Rules { apply: by_epoch_only, ..REAL },
        ),
        (
            "unfenced lease",
            a_lease_that_is_over_does_not_count,
            Rules { apply: with_the_lease_renewed, ..REAL },
        ),
        ("no probe limit", one_probe_at_a_time, Rules { lease: without_limit, ..REAL }),
        (
            "lease that never ends",
            a_dead_prober_blocks_no_instance,
            Rules { admit: forever, ..REAL },
        ),
        ("neutral that closes", neutral_changes_nothing, Rules { apply: neutral_closes, ..REAL }),
        ("refusal that writes", a_refusal_writes_nothing, Rules { lease: always, ..REAL }),
        ("window that is a gap", the_window_slides, Rules { apply: gap, ..REAL }),
        ("opens one late", the_fifth_failure_opens, Rules { apply: one_late, ..REAL }),
        (
            "all believed",
            no_record_binds_cold_readers,
            Rules { credible: |record, _, _| record, ..REAL },
        ),
        ("lowered at each read", no_record_binds_cold_readers, Rules { credible: lowered, ..REAL }),
        ("epoch stays", each_change_is_one_epoch, Rules { apply: same_epoch, ..REAL }),
        ("override ignored", an_override_dominates, Rules { admit: without_overrides, ..REAL }),
    ];
    for (name, promise, mutant) in mutants {
        assert!(promise(&REAL), "the real rules against `{name}`");
        assert!(!promise(&mutant), "`{name}` was not caught");
    }
}

// The promises.

fn late_results_do_not_count(rules: &Rules) -> bool {
    let early = Permit::of(&CircuitRecord::default(), None);
    let again = CircuitRecord { epoch: 4, changed_at: at(50), ..CircuitRecord::default() };
    rules.report(&again, early, CallOutcome::Failure, at(60)).is_none()
}

fn late_success_does_not_close(rules: &Rules) -> bool {
    let probe = Probe { id: WriteId::from_bits(1), until: at(112) };
    let round = rules.lease_now(&opened(), probe, at(100));
    let late = Permit::of(&round, Some(probe));
    let again = CircuitRecord { epoch: round.epoch + 2, changed_at: at(140), ..round };
    rules.report(&again, late, CallOutcome::Success, at(111)).is_none()
}

fn late_failure_does_not_reopen(rules: &Rules) -> bool {
    let early = Permit::of(&CircuitRecord::default(), None);
    rules.report(&opened(), early, CallOutcome::Failure, at(5)).is_none()
}

fn a_flush_does_not_revive_an_old_epoch(rules: &Rules) -> bool {
    let before = CircuitRecord { epoch: 3, changed_at: at(0), ..CircuitRecord::default() };
    let after = CircuitRecord { epoch: 3, changed_at: at(90), ..CircuitRecord::default() };
    let old = Permit::of(&before, None);
    rules.report(&after, old, CallOutcome::Failure, at(91)).is_none()
}

fn a_lease_that_is_over_does_not_count(rules: &Rules) -> bool {
    let probe = Probe { id: WriteId::from_bits(1), until: at(112) };
    let round = rules.lease_now(&opened(), probe, at(100));
    let permit = Permit::of(&round, Some(probe));
    [CallOutcome::Success, CallOutcome::Failure]
        .into_iter()
        .all(|outcome| rules.report(&round, permit, outcome, at(112)).is_none())
}

fn one_probe_at_a_time(rules: &Rules) -> bool {
    let first = Probe { id: WriteId::from_bits(1), until: at(112) };
    let other = Probe { id: WriteId::from_bits(2), until: at(112) };
    let round = rules.lease_now(&opened(), first, at(100));
    (rules.lease)(&round, &five_a_minute(), other, at(101)).is_none()
}

fn a_dead_prober_blocks_no_instance(rules: &Rules) -> bool {
    let probe = Probe { id: WriteId::from_bits(1), until: at(112) };
    let round = rules.lease_now(&opened(), probe, at(100));
    (rules.admit)(&round, &five_a_minute(), at(112)) == Admission::IfLeased
}

fn neutral_changes_nothing(rules: &Rules) -> bool {
    let probe = Probe { id: WriteId::from_bits(1), until: at(112) };
    let round = rules.lease_now(&opened(), probe, at(100));
    let permit = Permit::of(&round, Some(probe));
    rules.report(&round, permit, CallOutcome::Neutral, at(101)).is_none()
}

fn a_refusal_writes_nothing(rules: &Rules) -> bool {
    let probe = Probe { id: WriteId::from_bits(1), until: at(13) };
    (rules.lease)(&opened(), &five_a_minute(), probe, at(1)).is_none()
}

fn the_window_slides(rules: &Rules) -> bool {
    let mut record = CircuitRecord::default();
    for minute_quarter in 0..100 {
        record = rules.fail(&record, at(15 * minute_quarter));
    }
    record.state == CircuitState::Closed
}

fn the_fifth_failure_opens(rules: &Rules) -> bool {
    let mut record = CircuitRecord::default();
    let mut states = Vec::new();
    for second in 0..5 {
        record = rules.fail(&record, at(second));
        states.push(record.state == CircuitState::Open);
    }
    states == [false, false, false, false, true]
}

/// Each process reads the record for the first time. After the longest wait that a correct process can
/// store, it must be able to call or to probe, however far ahead the clock of the writer was.
fn no_record_binds_cold_readers(rules: &Rules) -> bool {
    [30, 300, 3_600, 86_400, 40 * 365 * 86_400].into_iter().all(|ahead| {
        let written = |longest: u64| at(ahead + longest);
        let open = CircuitRecord { open_until: written(300), changed_at: at(ahead), ..opened() };
        let probing = CircuitRecord {
            state: CircuitState::HalfOpen,
            probes: vec![Probe { id: WriteId::from_bits(1), until: written(12) }],
            ..CircuitRecord::default()
        };
        let forced = Override::new(OverrideMode::ForceOpen, written(7 * 86_400), "");
        let forced = CircuitRecord { overridden: Some(forced), ..CircuitRecord::default() };
        let policy = five_a_minute();
        let is_bound = |record: &CircuitRecord, wait: u64| {
            (0..=wait).step_by(60).all(|second| {
                let read = (rules.credible)(record.clone(), &policy, at(second));
                matches!((rules.admit)(&read, &policy, at(second)), Admission::Refused { .. })
            })
        };
        !is_bound(&open, 360) && !is_bound(&probing, 60) && !is_bound(&forced, 7 * 86_400 + 60)
    })
}

fn each_change_is_one_epoch(rules: &Rules) -> bool {
    let mut record = CircuitRecord::default();
    for second in 0..5 {
        record = rules.fail(&record, at(second));
    }
    let probe = Probe { id: WriteId::from_bits(1), until: at(112) };
    let round = rules.lease_now(&record, probe, at(100));
    let permit = Permit::of(&round, Some(probe));
    let again = rules.report(&round, permit, CallOutcome::Failure, at(101));
    (record.epoch, round.epoch, again.map(|again| again.epoch)) == (1, 2, Some(3))
}

fn an_override_dominates(rules: &Rules) -> bool {
    let set = |mode| Some(Override::new(mode, at(60), "ann"));
    let forced = CircuitRecord { overridden: set(OverrideMode::ForceOpen), ..Default::default() };
    let disabled = CircuitRecord { overridden: set(OverrideMode::Disabled), ..opened() };
    let policy = five_a_minute();
    matches!((rules.admit)(&forced, &policy, at(1)), Admission::Refused { .. })
        && (rules.admit)(&disabled, &policy, at(1)) == Admission::Admitted
        && (rules.admit)(&forced, &policy, at(60)) == Admission::Admitted
}

impl Rules {
    fn report(
        &self,
        record: &CircuitRecord,
        permit: Permit,
        outcome: CallOutcome,
        now: Timestamp,
    ) -> Option<CircuitRecord> {
        let instance = Instance::new("one");
        let report = Report { permit, outcome, slow: false, weight: 1, instance };
        (self.apply)(record, &five_a_minute(), &report, now, 0.5)
    }

    fn fail(&self, record: &CircuitRecord, now: Timestamp) -> CircuitRecord {
        let permit = Permit::of(record, None);
        self.report(record, permit, CallOutcome::Failure, now).unwrap_or_else(|| record.clone())
    }

    fn lease_now(&self, record: &CircuitRecord, probe: Probe, now: Timestamp) -> CircuitRecord {
        (self.lease)(record, &five_a_minute(), probe, now).unwrap()
    }
}

fn at(second: u64) -> Timestamp {
    START + seconds(second)
}

fn opened() -> CircuitRecord {
    CircuitRecord {
        state: CircuitState::Open,
        epoch: 1,
        changed_at: at(0),
        open_until: at(10),
        consecutive_opens: 1,
        ..CircuitRecord::default()
    }
}

// The mutants.

fn unfenced(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    report: &Report,
    now: Timestamp,
    chance: f64,
) -> Option<CircuitRecord> {
    let permit = Permit::of(record, report.permit.probe);
    rules::apply(record, policy, &Report { permit, ..*report }, now, chance)
}

fn reopening(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    report: &Report,
    now: Timestamp,
    chance: f64,
) -> Option<CircuitRecord> {
    let longer = record.open_until + seconds(10);
    rules::apply(record, policy, report, now, chance)
        .or_else(|| Some(CircuitRecord { open_until: longer, ..record.clone() }))
}

fn by_epoch_only(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    report: &Report,
    now: Timestamp,
    chance: f64,
) -> Option<CircuitRecord> {
    let permit = Permit { changed_at: record.changed_at, ..report.permit };
    rules::apply(record, policy, &Report { permit, ..*report }, now, chance)
}

fn with_the_lease_renewed(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    report: &Report,
    now: Timestamp,
    chance: f64,
) -> Option<CircuitRecord> {
    let mut record = record.clone();
    let mut report = *report;
    for probe in record.probes.iter_mut().chain(report.permit.probe.as_mut()) {
        probe.until = now + seconds(1);
    }
    rules::apply(&record, policy, &report, now, chance)
}

fn without_limit(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    probe: Probe,
    now: Timestamp,
) -> Option<CircuitRecord> {
    let record = CircuitRecord { probes: Vec::new(), ..record.clone() };
    lease(&record, policy, probe, now)
}

fn always(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    probe: Probe,
    now: Timestamp,
) -> Option<CircuitRecord> {
    lease(record, policy, probe, now).or_else(|| Some(record.clone()))
}

fn forever(record: &CircuitRecord, policy: &CircuitPolicy, now: Timestamp) -> Admission {
    let mut record = record.clone();
    for probe in &mut record.probes {
        probe.until = now + seconds(1);
    }
    rules::admit(&record, policy, now)
}

fn without_overrides(record: &CircuitRecord, policy: &CircuitPolicy, now: Timestamp) -> Admission {
    rules::admit(&CircuitRecord { overridden: None, ..record.clone() }, policy, now)
}

fn neutral_closes(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    report: &Report,
    now: Timestamp,
    chance: f64,
) -> Option<CircuitRecord> {
    let outcome = match report.outcome {
        CallOutcome::Neutral => CallOutcome::Success,
        outcome => outcome,
    };
    rules::apply(record, policy, &Report { outcome, ..*report }, now, chance)
}

/// The window of pyfuncify, which begins anew with each failure.
fn gap(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    report: &Report,
    now: Timestamp,
    chance: f64,
) -> Option<CircuitRecord> {
    let touch = |failure: &Failure| Failure { at: now - millis(1), ..*failure };
    let failures = record.failures.iter().map(touch).collect();
    rules::apply(&CircuitRecord { failures, ..record.clone() }, policy, report, now, chance)
}

fn one_late(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    report: &Report,
    now: Timestamp,
    chance: f64,
) -> Option<CircuitRecord> {
    let policy = with_rule(policy.clone(), CountRule::new(6, seconds(60)));
    rules::apply(record, &policy, report, now, chance)
}

fn same_epoch(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    report: &Report,
    now: Timestamp,
    chance: f64,
) -> Option<CircuitRecord> {
    let next = rules::apply(record, policy, report, now, chance)?;
    Some(CircuitRecord { epoch: record.epoch, ..next })
}

/// The rule of version 0.1: a time that is too late is lowered to the latest one that a correct clock
/// could have stored.
fn lowered(record: CircuitRecord, policy: &CircuitPolicy, now: Timestamp) -> CircuitRecord {
    let mut record = record;
    let opened = record.changed_at.min(now);
    record.open_until = record.open_until.min(opened + policy.max_open_duration);
    for probe in &mut record.probes {
        probe.until = probe.until.min(now + seconds(12));
    }
    if let Some(overridden) = &mut record.overridden {
        overridden.until = overridden.until.min(now + seconds(7 * 86_400));
    }
    record
}
