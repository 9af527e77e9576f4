//! The count rule: exact, because the times stand in the record.

use std::time::Duration;

use crate::{
    Timestamp,
    circuit::{
        Cause, CircuitPolicy, CircuitRecord, CircuitState, Failure, Instance, Rule,
        rules::{CallOutcome, Report, change, rate},
    },
};

/// The most failures that a record holds.
const PLACES: usize = 16;

/// Counts a failure; the circuit opens when there are enough, of enough instances.
pub(super) fn apply(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    (enough, window): (u32, Duration),
    report: &Report,
    now: Timestamp,
    chance: f64,
) -> Option<CircuitRecord> {
    if report.outcome != CallOutcome::Failure {
        return None;
    }
    let mut failures = within(&record.failures, window, now);
    if held_by(report.instance, &failures) >= places_of_one(enough, policy.quorum) {
        // The newest takes the place of the instance's own oldest: others keep theirs.
        let own = failures.iter().position(|failure| failure.instance == report.instance);
        own.map(|place| failures.remove(place));
    }
    failures.push(Failure { at: now, instance: report.instance });
    failures.drain(..failures.len().saturating_sub(PLACES));

    let opens = failures.len() >= size(enough) && instances(&failures) >= size(policy.quorum);
    Some(if opens {
        change::opened(record, policy, Cause::Failures, now, chance)
    } else {
        CircuitRecord { failures, ..record.clone() }
    })
}

/// Whether another failure of `instance` says something about the instance, not the dependency: it
/// already holds every place that the quorum leaves to one instance, or it is with too few others
/// that the rate is over the threshold. It opens for itself then.
#[must_use]
pub fn alone(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    instance: Instance,
    now: Timestamp,
) -> bool {
    match policy.rule {
        Rule::Count { failures, window } if policy.quorum > 1 => {
            let held = held_by(instance, &within(&record.failures, window, now));
            record.state == CircuitState::Closed && held >= places_of_one(failures, policy.quorum)
        }
        Rule::Rate { .. } if policy.quorum > 1 => {
            record.state == CircuitState::Closed && rate::alone(record, policy, instance, now)
        }
        _ => false,
    }
}

/// The failures that still count, oldest first.
fn within(failures: &[Failure], window: Duration, now: Timestamp) -> Vec<Failure> {
    failures.iter().filter(|failure| now.since(failure.at) < window).copied().collect()
}

fn held_by(instance: Instance, failures: &[Failure]) -> usize {
    failures.iter().filter(|failure| failure.instance == instance).count()
}

/// How many different instances failed.
pub(super) fn instances(failures: &[Failure]) -> usize {
    let first = |(place, failure): &(usize, &Failure)| {
        !failures.iter().take(*place).any(|other| other.instance == failure.instance)
    };
    failures.iter().enumerate().filter(first).count()
}

/// How many of the `enough` places one instance may hold: the others of the quorum need one each.
fn places_of_one(enough: u32, quorum: u32) -> usize {
    size((enough + 1).saturating_sub(quorum).max(1))
}

pub(super) fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
