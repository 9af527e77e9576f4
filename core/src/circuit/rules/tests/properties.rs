//! Properties that hold for every record, whatever its content.

use crate::{
    Timestamp,
    circuit::{
        Bucket, Cause, CircuitPolicy, CircuitRecord, CircuitState, CountRule, Failure, Instance,
        Override, OverrideMode, Probe, RateRule,
        rules::{self, Admission, CallOutcome, Permit, Report, Rule},
    },
    engine::{decode, encode},
    register::{Version, Versioned, WriteId},
};
use proptest::{
    collection::vec,
    option,
    prelude::{Just, Strategy, any, prop_oneof},
    prop_assert, prop_assert_eq, proptest,
};

use super::{START, five_a_minute, lease, millis, seconds, with_rule};

fn time() -> impl Strategy<Value = Timestamp> {
    let near = -700_000_i64..700_000;
    prop_oneof![
        4 => near.prop_map(|millis| Timestamp::from_millis(START.as_millis() + millis)),
        1 => any::<i64>().prop_map(Timestamp::from_millis),
    ]
}

fn instance() -> impl Strategy<Value = Instance> {
    (0_u8..4).prop_map(|tag| Instance::new(tag.to_string()))
}

fn failure() -> impl Strategy<Value = Failure> {
    (time(), instance()).prop_map(|(at, instance)| Failure { at, instance })
}

fn probe() -> impl Strategy<Value = Probe> {
    (0_u128..4, time()).prop_map(|(id, until)| Probe { id: WriteId::from_bits(id), until })
}

fn bucket() -> impl Strategy<Value = Bucket> {
    (time(), any::<[u32; 6]>()).prop_map(|(at, [calls, failures, slow, reports, failed, slows])| {
        Bucket { at, calls, failures, slow, reports, failed_reports: failed, slow_reports: slows }
    })
}

fn an_override() -> impl Strategy<Value = Override> {
    let mode = prop_oneof![Just(OverrideMode::ForceOpen), Just(OverrideMode::Disabled)];
    (mode, time()).prop_map(|(mode, until)| Override::new(mode, until, "ann"))
}

fn record() -> impl Strategy<Value = CircuitRecord> {
    let state = prop_oneof![
        Just(CircuitState::Closed),
        Just(CircuitState::Open),
        Just(CircuitState::HalfOpen)
    ];
    let cause = option::of(prop_oneof![Just(Cause::Failures), Just(Cause::ProbeFailed)]);
    let head = (state, any::<u64>(), time(), cause, time(), any::<u32>(), any::<u32>());
    let lists = (vec(failure(), 0..20), vec(bucket(), 0..30), vec(probe(), 0..6));
    (head, lists, option::weighted(0.2, an_override())).prop_map(|(head, lists, overridden)| {
        let (state, epoch, changed_at, cause, open_until, consecutive_opens, round_successes) =
            head;
        let (failures, buckets, probes) = lists;
        CircuitRecord {
            state,
            epoch,
            changed_at,
            cause,
            open_until,
            consecutive_opens,
            failures,
            buckets,
            probes,
            round_successes,
            overridden,
            ..CircuitRecord::default()
        }
    })
}

fn policy() -> impl Strategy<Value = CircuitPolicy> {
    let rule = prop_oneof![
        (1_u32..=16, 1_u32..=4).prop_map(|(n, quorum)| {
            Rule::from(CountRule { quorum: quorum.min(n), ..CountRule::new(n, seconds(60)) })
        }),
        (0.01..=1.0, 1_u32..=4).prop_map(|(share, quorum)| {
            let mut rule = RateRule::new(share, seconds(60), 1);
            rule.quorum = quorum;
            Rule::from(rule)
        }),
        (0.01..=1.0).prop_map(|share| {
            Rule::from(RateRule::new(0.5, seconds(60), 20).with_slow_calls(share, seconds(1)))
        }),
    ];
    (rule, 1_u32..=4, 1_u32..=16).prop_map(|(rule, probes, successes)| CircuitPolicy {
        probes,
        successes,
        ..with_rule(five_a_minute(), rule)
    })
}

fn outcome() -> impl Strategy<Value = CallOutcome> {
    prop_oneof![Just(CallOutcome::Success), Just(CallOutcome::Failure), Just(CallOutcome::Neutral)]
}

fn report(record: &CircuitRecord, probe: Option<Probe>, outcome: CallOutcome) -> Report {
    let permit = Permit::of(record, probe);
    Report { permit, outcome, slow: false, weight: 1, instance: Instance::new("one") }
}

proptest! {
    #[test]
    fn the_count_rule_opens_exactly_when_enough_failures_stand_in_one_window(
        gaps in vec(0_u64..40_000, 1..60), enough in 1_u32..=16,
    ) {
        let policy = with_rule(five_a_minute(), CountRule::new(enough, seconds(60)));
        let mut record = CircuitRecord::default();
        let mut times: Vec<Timestamp> = Vec::new();
        let mut now = START;
        for gap in gaps {
            now = now + millis(gap);
            times.push(now);
            let before = record.clone();
            record = rules::apply(&before, &policy, &report(&before, None, CallOutcome::Failure), now, 0.0)
                .unwrap();
            // Count again, over all failures since the beginning.
            let standing = times.iter().filter(|at| now.since(**at) < seconds(60)).count();
            let opens = standing >= usize::try_from(enough).unwrap();
            prop_assert_eq!(record.state == CircuitState::Open, opens);
            if opens {
                break;
            }
        }
    }

    #[test]
    fn neutral_never_changes_anything(
        record in record(), policy in policy(), now in time(), probe in option::of(probe()),
    ) {
        let report = report(&record, probe, CallOutcome::Neutral);
        prop_assert_eq!(rules::apply(&record, &policy, &report, now, 0.5), None);
    }

    #[test]
    fn an_override_in_force_dominates(
        record in record(), overridden in an_override(), policy in policy(), outcome in outcome(),
        probe in probe(),
    ) {
        let now = overridden.until - millis(1);
        let record = CircuitRecord { overridden: Some(overridden.clone()), ..record };
        let admission = rules::admit(&record, &policy, now);
        match overridden.mode {
            OverrideMode::Disabled => prop_assert_eq!(admission, Admission::Admitted),
            OverrideMode::ForceOpen => prop_assert_eq!(
                admission,
                Admission::Refused { until: overridden.until, cause: Cause::Override }
            ),
        }
        prop_assert_eq!(lease(&record, &policy, probe, now), None);
        let report = report(&record, Some(probe), outcome);
        prop_assert_eq!(rules::apply(&record, &policy, &report, now, 0.5), None);
    }

    #[test]
    fn what_is_refused_writes_nothing(
        record in record(), policy in policy(), now in time(), probe in probe(),
    ) {
        if rules::admit(&record, &policy, now) != Admission::IfLeased {
            prop_assert_eq!(lease(&record, &policy, probe, now), None);
        }
    }

    #[test]
    fn a_change_of_state_is_one_epoch_and_one_epoch_is_a_change_of_state(
        record in record(), policy in policy(), outcome in outcome(), probe in option::of(probe()),
        chance in 0.0..1.0,
    ) {
        let now = START;
        let read = rules::credible(record, &policy, now);
        let report = report(&read, probe, outcome);
        let leased = probe.and_then(|probe| lease(&read, &policy, probe, now));
        let applied = rules::apply(&read, &policy, &report, now, chance);
        for next in leased.into_iter().chain(applied) {
            let moved = next.epoch == read.epoch.wrapping_add(1);
            prop_assert!(moved || next.epoch == read.epoch);
            prop_assert_eq!(moved, next.state != read.state);
            prop_assert_eq!(moved, next.changed_at == now || next.changed_at != read.changed_at);
            prop_assert!(next.probes.iter().filter(|probe| probe.until > now).count() <= 4);
        }
    }

    // Each decision is that of a process that reads the record for the first time.
    #[test]
    fn any_record_heals_for_processes_that_read_it_once(
        record in record(), policy in policy(), gaps in vec(1_u64..200_000, 40),
    ) {
        let own = policy.max_open_duration.max(policy.call_timeout + rules::REPORTING);
        // The state counts only after the override is over.
        let week = seconds(7 * 86_400);
        let longest = if record.overridden.is_some() { week + own } else { own };
        let mut now = START;
        let mut refused_since = None;
        let mut record = record;
        let mut gaps = gaps.into_iter().cycle();
        for id in 100.. {
            let read = rules::credible(record.clone(), &policy, now);
            match rules::admit(&read, &policy, now) {
                Admission::Refused { until, .. } => {
                    prop_assert!(until > now);
                    let since = *refused_since.get_or_insert(now);
                    prop_assert!(now.since(since) <= longest + seconds(1), "{:?}", record);
                    // Read again at random times, and right after the last time at which a call may be
                    // refused.
                    let last = since + longest + seconds(1);
                    let next = until.min(now + millis(gaps.next().unwrap()));
                    now = if now < last && last < next { last + millis(1) } else { next };
                }
                Admission::IfLeased => {
                    let probe = Probe { id: WriteId::from_bits(id), until: now + seconds(12) };
                    let round = lease(&read, &policy, probe, now).unwrap();
                    let report = report(&round, Some(probe), CallOutcome::Success);
                    record = rules::apply(&round, &policy, &report, now, 0.5).unwrap();
                    refused_since = None;
                }
                // An override admits every call. Continue with the state when the override ends.
                Admission::Admitted => match read.override_at(now) {
                    Some(overridden) => now = overridden.until,
                    None => break,
                },
            }
        }
    }

    #[test]
    fn a_record_is_read_back_as_it_was_written(record in record()) {
        // The stored ages of buckets are whole seconds, which random buckets are not. So leave them out.
        let correct = rules::credible(CircuitRecord { buckets: Vec::new(), ..record }, &five_a_minute(), START);
        let version = Version::from(WriteId::from_bits(1));
        let read = decode::<CircuitRecord>(Versioned::new(encode(&correct).unwrap(), version));
        prop_assert_eq!(read.corruption, None);
        prop_assert_eq!(read.value, correct);
    }

    #[test]
    fn what_is_believed_is_still_believed(record in record(), policy in policy(), now in time()) {
        let once = rules::credible(record, &policy, now);
        prop_assert_eq!(rules::credible(once.clone(), &policy, now), once);
    }

    #[test]
    fn no_rule_panics_whatever_the_record_and_the_time(
        record in record(), policy in policy(), now in time(), outcome in outcome(),
        probe in option::of(probe()), chance in any::<f64>(), weight in any::<u32>(),
    ) {
        for record in [rules::credible(record.clone(), &policy, now), record] {
            let report = Report { weight, slow: true, ..report(&record, probe, outcome) };
            let _ = rules::apply(&record, &policy, &report, now, chance);
            let _ = policy.rule.sampling(&record, now);
            let _ = rules::admit(&record, &policy, now);
        }
    }
}
