//! Each rule's table of cases. What holds for any record stands in `tests/circuit/properties.rs`.

use std::time::Duration;

use super::{Admission, Outcome, Permit, Report, admit, apply, clamp, lease};
use crate::{
    Timestamp,
    circuit::{
        Cause, CircuitPolicy, CircuitRecord, CircuitState, Failure, Instance, Override,
        OverrideMode, Probe,
    },
    register::WriteId,
};

use CircuitState::{Closed, HalfOpen, Open};

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + second * 1_000)
}

fn policy() -> CircuitPolicy {
    CircuitPolicy::default()
        .with_count(3, Duration::from_secs(60))
        .with_stand_down(Duration::from_secs(10), Duration::from_secs(40))
        .with_probes(2, 2)
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
        openings: 1,
        cause: (state != Closed).then_some(Cause::Failures),
        ..CircuitRecord::default()
    }
}

fn told(record: &CircuitRecord, probe: Option<Probe>, outcome: Outcome) -> Report {
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
        ("stand-down over", in_state(Open), 10, Admission::IfLeased),
        ("half-open, no probe", in_state(HalfOpen), 12, Admission::IfLeased),
        ("half-open, a place left", one, 12, Admission::IfLeased),
        ("half-open, full", two.clone(), 12, refused(13, Cause::Probing)),
        ("half-open, one lease over", two, 22, Admission::IfLeased),
        ("never written", CircuitRecord::default(), 0, Admission::Admitted),
    ];
    for (case, record, second, expected) in cases {
        assert_eq!(admit(&record, &policy(), at(second)), expected, "{case}");
    }
}

#[test]
fn what_a_report_does_by_state() {
    use Outcome::{Failure, Success};
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
        let next = apply(&record, &policy(), &told(&record, probe, outcome), at(15), 0.5);
        assert_eq!(next.map(|next| (next.state, next.epoch)), expected, "{case}");
    }
}

#[test]
fn the_stand_down_by_the_number_of_openings_and_the_draw() {
    // Openings so far, seconds since the last change, draw, then the span and the openings after.
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
    for (openings, rest, chance, span, after) in cases {
        let policy = policy().with_count(1, Duration::from_secs(60));
        let record = CircuitRecord { openings, ..in_state(Closed) };
        let report = told(&record, None, Outcome::Failure);
        let opened = apply(&record, &policy, &report, at(rest), chance).unwrap();
        let spanned = opened.open_until.since(opened.changed_at);
        assert_eq!((spanned, opened.openings), (Duration::from_millis(span), after));
    }
}

#[test]
fn places_of_a_quorum() {
    // Who failed, in order; whether that opens 4 of 3 instances.
    for (who, opens) in [
        ("aaaaaaaa", false),
        ("aabb", false),
        ("aaabbb", false),
        ("abc", false),
        ("aabc", true),
        ("aaaaabc", true),
        ("aabbc", true),
    ] {
        let policy = policy().with_count(4, Duration::from_secs(60)).with_quorum(3);
        let mut record = in_state(Closed);
        for (second, tag) in who.chars().enumerate() {
            let instance = Instance::new(tag.to_string());
            let report = Report { instance, ..told(&record, None, Outcome::Failure) };
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
    let round = lease(&record, &policy(), probe(1, 22), at(10)).unwrap();
    assert_eq!((round.state, round.epoch, round.round_successes), (HalfOpen, 2, 0));
    let round = lease(&round, &policy(), probe(2, 23), at(11)).unwrap();
    assert_eq!((round.epoch, round.probes.len()), (2, 2));
    assert_eq!(lease(&round, &policy(), probe(3, 24), at(12)), None);
    let round = lease(&round, &policy(), probe(3, 34), at(22)).unwrap();
    assert_eq!(round.probes, [probe(2, 23), probe(3, 34)]);
}

#[test]
fn the_latest_that_an_honest_writer_could_have_stored() {
    let far = Timestamp::from_millis(i64::MAX);
    let odd = CircuitRecord {
        open_until: far,
        changed_at: far,
        failures: vec![Failure { at: far, instance: Instance::new("a") }],
        probes: vec![Probe { id: WriteId::from_bits(1), until: far }],
        overridden: Some(Override::new(OverrideMode::ForceOpen, far, "")),
        ..in_state(Open)
    };
    let read = clamp(odd.clone(), &policy(), at(0));
    assert_eq!(read.open_until, at(40));
    assert_eq!(read.failures.first().map(|failure| failure.at), Some(at(0)));
    assert_eq!(read.probes.first().map(|probe| probe.until), Some(at(12)));
    assert_eq!(read.overridden.map(|order| order.until), Some(at(7 * 86_400)));
    assert_eq!(read.changed_at, far, "reports are fenced by it as it is");
    // An honest change long ago bounds the stand-down for good.
    let stuck = CircuitRecord { changed_at: at(-100), ..odd };
    assert_eq!(clamp(stuck, &policy(), at(0)).open_until, at(-60));
}
