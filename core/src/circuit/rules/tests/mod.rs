//! Tables of cases for each function of the rules.

mod mutants;
mod properties;
mod rate;

use std::time::Duration;

use super::{Admission, CallOutcome, Permit, Report, admit, apply, credible};
use crate::{
    Timestamp,
    circuit::{
        Bucket, Cause, CircuitPolicy, CircuitRecord, CircuitState, CountRule, Failure, Instance,
        Override, OverrideMode, Probe, rules::Rule,
    },
    register::WriteId,
};

use CircuitState::{Closed, HalfOpen, Open};

/// Takes a lease for an instance whose tag does not matter.
fn lease(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    probe: Probe,
    now: Timestamp,
) -> Option<CircuitRecord> {
    super::lease(record, policy, probe, Instance::new("prober"), now)
}

/// The time at which a test begins.
const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const MINUTE: Duration = Duration::from_secs(60);

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Opens for ten seconds at five failures within a minute.
fn five_a_minute() -> CircuitPolicy {
    CircuitPolicy {
        open_duration: seconds(10),
        max_open_duration: seconds(40),
        ..CircuitPolicy::new(CountRule::new(5, MINUTE))
    }
}

/// The same policy with another rule.
fn with_rule(policy: CircuitPolicy, rule: impl Into<Rule>) -> CircuitPolicy {
    CircuitPolicy { rule: rule.into(), ..policy }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + second * 1_000)
}

fn policy() -> CircuitPolicy {
    CircuitPolicy {
        probes: 2,
        successes: 2,
        ..with_rule(five_a_minute(), CountRule::new(3, MINUTE))
    }
}

fn probe(id: u128, until: i64) -> Probe {
    Probe { id: WriteId::from_bits(id), until: at(until) }
}

fn in_state(state: CircuitState) -> CircuitRecord {
    CircuitRecord {
        state,
        epoch: 1,
        changed_at: at(0),
        open_until: at(10),
        consecutive_opens: 1,
        cause: (state != Closed).then_some(Cause::Failures),
        ..CircuitRecord::default()
    }
}

fn report_of(record: &CircuitRecord, probe: Option<Probe>, outcome: CallOutcome) -> Report {
    let permit = Permit::of(record, probe);
    Report { permit, outcome, slow: false, weight: 1, instance: Instance::new("a") }
}

#[test]
fn admission_by_state_and_time() {
    let refused = |until, cause| Admission::Refused { until: at(until), cause };
    let probing = |probes: &[Probe]| CircuitRecord { probes: probes.into(), ..in_state(HalfOpen) };
    let one = probing(&[probe(1, 22)]);
    let two = probing(&[probe(1, 22), probe(2, 30)]);
    let cases = [
        ("closed", in_state(Closed), 5, Admission::Admitted),
        ("open", in_state(Open), 9, refused(10, Cause::Failures)),
        ("open duration over", in_state(Open), 10, Admission::IfLeased),
        ("half-open, no probe", in_state(HalfOpen), 12, Admission::IfLeased),
        ("half-open, a place left", one, 12, Admission::IfLeased),
        ("half-open, full", two.clone(), 1, refused(2, Cause::Probing)),
        ("half-open, full for 3 s", two.clone(), 3, refused(6, Cause::Probing)),
        ("half-open, full for long", two.clone(), 12, refused(17, Cause::Probing)),
        ("half-open, full, near its end", two.clone(), 20, refused(22, Cause::Probing)),
        ("half-open, one lease over", two, 22, Admission::IfLeased),
        ("never written", CircuitRecord::default(), 0, Admission::Admitted),
    ];
    for (case, record, second, expected) in cases {
        assert_eq!(admit(&record, &policy(), at(second)), expected, "{case}");
    }
}

#[test]
fn what_a_report_does_by_state() {
    use CallOutcome::{Failure, Success};
    let one = probe(1, 22);
    let round = CircuitRecord { probes: vec![one], ..in_state(HalfOpen) };
    let won = CircuitRecord { round_successes: 1, ..round.clone() };
    let cases = [
        ("a failure in closed counts", in_state(Closed), None, Failure, Some((Closed, 1))),
        ("a success in closed is no news", in_state(Closed), None, Success, None),
        ("open takes no report", in_state(Open), None, Failure, None),
        ("half-open takes none without a lease", round.clone(), None, Failure, None),
        ("nor by another's", round.clone(), Some(probe(2, 22)), Success, None),
        ("a probe's success counts", round.clone(), Some(one), Success, Some((HalfOpen, 1))),
        ("the second closes", won.clone(), Some(one), Success, Some((Closed, 2))),
        ("a failure opens", round, Some(one), Failure, Some((Open, 2))),
        ("whatever came before", won, Some(one), Failure, Some((Open, 2))),
    ];
    for (case, record, probe, outcome, expected) in cases {
        let next = apply(&record, &policy(), &report_of(&record, probe, outcome), at(15), 0.5);
        assert_eq!(next.map(|next| (next.state, next.epoch)), expected, "{case}");
    }
}

#[test]
fn a_permit_is_fenced_by_the_epoch_and_by_the_time_of_the_change() {
    let record = in_state(Closed);
    for (epoch, changed_at, counts) in
        [(1, at(0), true), (0, at(0), false), (2, at(0), false), (1, at(1), false)]
    {
        let permit = Permit { epoch, changed_at, ..Permit::of(&record, None) };
        let report = Report { permit, ..report_of(&record, None, CallOutcome::Failure) };
        let next = apply(&record, &policy(), &report, at(5), 0.5);
        assert_eq!(next.is_some(), counts, "{epoch}, {changed_at:?}");
    }
}

#[test]
fn a_lease_is_over_by_the_record_or_by_the_permit_whichever_is_first() {
    for (stored, held, second, counts) in
        [(22, 22, 21, true), (22, 22, 22, false), (22, 16, 16, false), (16, 22, 16, false)]
    {
        let record = CircuitRecord { probes: vec![probe(1, stored)], ..in_state(HalfOpen) };
        let report = report_of(&record, Some(probe(1, held)), CallOutcome::Success);
        let next = apply(&record, &policy(), &report, at(second), 0.5);
        assert_eq!(next.is_some(), counts, "{stored} stored, {held} held, at {second}");
    }
}

#[test]
fn with_each_change_of_state_counting_begins_anew_and_members_of_a_newer_version_stay() {
    let full = |state| CircuitRecord {
        failures: vec![Failure { at: at(1), instance: Instance::new("a") }; 2],
        buckets: vec![Bucket { at: at(1), calls: 9, ..Bucket::default() }],
        probes: vec![probe(1, 22)],
        round_successes: 1,
        unknown: serde_json::Map::from_iter([("newer".to_owned(), true.into())]),
        ..in_state(state)
    };
    let applied = |state, probe, outcome| {
        let record = full(state);
        apply(&record, &policy(), &report_of(&record, probe, outcome), at(15), 0.5).unwrap()
    };
    let changes = [
        (applied(Closed, None, CallOutcome::Failure), Open, vec![]),
        (
            lease(&full(Open), &policy(), probe(2, 27), at(15)).unwrap(),
            HalfOpen,
            vec![probe(2, 27)],
        ),
        (applied(HalfOpen, Some(probe(1, 22)), CallOutcome::Success), Closed, vec![]),
        (applied(HalfOpen, Some(probe(1, 22)), CallOutcome::Failure), Open, vec![]),
    ];
    for (next, state, probes) in changes {
        assert_eq!((next.state, next.epoch, next.changed_at), (state, 2, at(15)));
        assert_eq!((next.failures, next.buckets), (vec![], vec![]), "to {state:?}");
        assert_eq!((next.probes, next.round_successes), (probes, 0), "to {state:?}");
        assert_eq!(next.unknown, full(state).unknown, "to {state:?}");
    }
}

#[test]
fn only_a_rest_in_closed_resets_the_open_duration() {
    let record = CircuitRecord { probes: vec![probe(1, 222)], ..in_state(HalfOpen) };
    let report = report_of(&record, Some(probe(1, 222)), CallOutcome::Failure);
    assert_eq!(apply(&record, &policy(), &report, at(200), 0.5).unwrap().consecutive_opens, 2);
}

#[test]
fn no_more_failures_are_kept_than_the_record_holds() {
    // Of one instance, the newest nine are kept: 16 + 1 - 8. Of all instances, sixteen are kept.
    let policy = with_rule(policy(), CountRule { quorum: 8, ..CountRule::new(16, MINUTE) });
    let mut record = in_state(Closed);
    let mut fail = |tag: &str, second| {
        let instance = Instance::new(tag);
        let report = Report { instance, ..report_of(&record, None, CallOutcome::Failure) };
        record = apply(&record, &policy, &report, at(second), 0.5).unwrap();
        record.failures.clone()
    };
    let times =
        |failures: &[Failure]| failures.iter().map(|failure| failure.at).collect::<Vec<_>>();
    let one = (0..12).map(|second| fail("a", second)).last().unwrap();
    assert_eq!(times(&one), (3..12).map(at).collect::<Vec<_>>());
    let all = (0..24).map(|n| fail(["b", "c", "d"][n % 3], 12)).last().unwrap();
    assert_eq!(times(&all), [at(12); 16]);
}

#[test]
fn under_an_override_nothing_is_counted() {
    for mode in [OverrideMode::ForceOpen, OverrideMode::Disabled] {
        let overridden = Some(Override::new(mode, at(60), "ann"));
        let record = CircuitRecord { overridden, ..in_state(Closed) };
        let report = report_of(&record, None, CallOutcome::Failure);
        assert_eq!(apply(&record, &policy(), &report, at(59), 0.5), None);
        assert!(apply(&record, &policy(), &report, at(60), 0.5).is_some());
    }
}

#[test]
fn the_open_duration_by_consecutive_opens_and_the_draw() {
    // The consecutive opens before, the seconds since the last change and the draw. Then the expected open
    // duration in milliseconds, and the expected consecutive opens.
    let cases = [
        (0, 5, 1.0, 10_000, 1),
        (0, 5, 0.0, 9_000, 1),
        (1, 5, 1.0, 20_000, 2),
        (2, 5, 1.0, 40_000, 3),
        (3, 5, 1.0, 40_000, 4),
        (u32::MAX, 5, 0.5, 38_000, u32::MAX),
        (3, 79, 1.0, 40_000, 4),
        (3, 80, 1.0, 10_000, 1),
    ];
    for (consecutive_opens, rest, chance, span, after) in cases {
        let policy = with_rule(policy(), CountRule::new(1, MINUTE));
        let record = CircuitRecord { consecutive_opens, ..in_state(Closed) };
        let report = report_of(&record, None, CallOutcome::Failure);
        let opened = apply(&record, &policy, &report, at(rest), chance).unwrap();
        let spanned = opened.open_until.since(opened.changed_at);
        assert_eq!((spanned, opened.consecutive_opens), (Duration::from_millis(span), after));
    }
}

#[test]
fn places_of_a_quorum() {
    // The instances that failed, in order, and whether a rule of 4 failures from 3 instances opens.
    for (who, opens) in [
        ("aaaaaaaa", false),
        ("aabb", false),
        ("aaabbb", false),
        ("abc", false),
        ("aabc", true),
        ("aaaaabc", true),
        ("aabbc", true),
    ] {
        let policy = with_rule(policy(), CountRule { quorum: 3, ..CountRule::new(4, MINUTE) });
        let mut record = in_state(Closed);
        for (second, tag) in who.chars().enumerate() {
            let instance = Instance::new(tag.to_string());
            let report = Report { instance, ..report_of(&record, None, CallOutcome::Failure) };
            let now = at(i64::try_from(second).unwrap());
            record = apply(&record, &policy, &report, now, 0.5).unwrap_or(record);
        }
        assert_eq!(record.state == Open, opens, "{who}");
    }
}

#[test]
fn a_lease_makes_an_open_circuit_half_open_and_counts_anew() {
    let record = CircuitRecord { round_successes: 1, ..in_state(Open) };
    assert_eq!(lease(&record, &policy(), probe(1, 22), at(9)), None);
    assert_eq!(lease(&record, &policy(), probe(1, 10), at(10)), None, "over already");
    let round = lease(&record, &policy(), probe(1, 22), at(10)).unwrap();
    assert_eq!((round.state, round.epoch, round.round_successes), (HalfOpen, 2, 0));
    let round = lease(&round, &policy(), probe(2, 23), at(11)).unwrap();
    assert_eq!((round.epoch, round.probes.len()), (2, 2));
    assert_eq!(lease(&round, &policy(), probe(3, 24), at(12)), None);
    let round = lease(&round, &policy(), probe(3, 34), at(22)).unwrap();
    assert_eq!(round.probes, [probe(2, 23), probe(3, 34)]);
}

#[test]
fn of_more_than_a_correct_writer_keeps_the_newest_stay() {
    let odd = CircuitRecord {
        failures: (0..20).map(|n| Failure { at: at(n), instance: Instance::new("a") }).collect(),
        buckets: (0..30).map(|n| Bucket { at: at(n), ..Bucket::default() }).collect(),
        probes: (0..6).map(|n| probe(1, n)).collect(),
        ..in_state(HalfOpen)
    };
    let read = credible(odd, &policy(), at(40));
    assert_eq!((read.failures.len(), read.failures.first().map(|f| f.at)), (16, Some(at(4))));
    assert_eq!((read.buckets.len(), read.buckets.first().map(|b| b.at)), (24, Some(at(6))));
    assert_eq!(read.probes, [2, 3, 4, 5].map(|until| probe(1, until)));
}

#[test]
fn a_time_that_no_correct_clock_could_have_stored_is_not_believed() {
    let read = |seconds: i64| {
        let late = |most: i64| at(most) + Duration::from_secs(u64::try_from(seconds).unwrap());
        let record = CircuitRecord {
            open_until: late(40),
            changed_at: late(0),
            failures: vec![Failure { at: late(0), instance: Instance::new("a") }],
            buckets: vec![Bucket { at: late(0), ..Bucket::default() }],
            probes: vec![Probe { id: WriteId::from_bits(1), until: late(5) }],
            overridden: Some(Override::new(OverrideMode::ForceOpen, late(7 * 86_400), "")),
            ..in_state(Open)
        };
        (credible(record.clone(), &policy(), at(0)), record)
    };
    let (believed, written) = read(1);
    assert_eq!(believed, written, "the clocks of a fleet differ by a second");

    let (read, written) = read(2);
    assert_eq!(read.open_until, Timestamp::EPOCH);
    assert!(read.failures.is_empty() && read.buckets.is_empty() && read.probes.is_empty());
    assert_eq!(read.overridden, None);
    assert_eq!(read.changed_at, written.changed_at, "reports are fenced by it as it is");
    assert_eq!(admit(&read, &policy(), at(0)), Admission::IfLeased);

    let stuck = CircuitRecord { changed_at: at(-10), open_until: at(40), ..in_state(Open) };
    let read = credible(stuck, &policy(), at(0));
    assert_eq!(read.open_until, at(30), "an open duration begins with the change");
}

#[test]
fn each_change_of_state_is_noted_with_its_cause_and_its_instance_and_the_last_eight_are_kept() {
    let tag = |n: usize| Instance::new(format!("i-{n}"));
    let mut record = CircuitRecord::default();
    let mut noted = Vec::new();
    for n in 0..4 {
        let now = at(100 * i64::try_from(n).unwrap());
        record = super::change::opened(
            &record,
            &policy(),
            (Cause::Failures, Duration::ZERO),
            (tag(n), now),
            0.5,
        );
        noted.push((now, Open, Some(Cause::Failures), tag(n)));
        let round = now + seconds(50);
        let probe = Probe { id: WriteId::from_bits(1), until: round + seconds(10) };
        record = super::lease(&record, &policy(), probe, tag(n + 10), round).unwrap();
        noted.push((round, HalfOpen, Some(Cause::Failures), tag(n + 10)));
        let closed = round + seconds(1);
        record = if n == 3 {
            noted.push((closed, Closed, Some(Cause::Override), tag(99)));
            super::close(&record, tag(99), closed).unwrap()
        } else {
            noted.push((closed, Closed, None, tag(n + 20)));
            super::change::closed(&record, tag(n + 20), closed)
        };
    }
    let kept: Vec<_> = record.history.iter().map(|t| (t.at, t.to, t.cause, t.instance)).collect();
    assert_eq!(kept, noted[4..]);
}
