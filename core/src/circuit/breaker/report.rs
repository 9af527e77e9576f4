//! Telling the fleet how a call went: read, apply to what was read, swap.
//!
//! Of several reports on one instance the first to come leads, waits a moment and takes the others
//! along. Waiting first is what keeps a burst cheap: of 500 failures at once most find the circuit
//! open when they read.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::{CircuitBreaker, lock};
use crate::{
    Deadline, StoreErrorKind, Timestamp,
    circuit::{
        CircuitEvent, CircuitRecord, Rule,
        rules::{self, Outcome, Report},
    },
    register::{Swap, Version, Versioned, WriteId},
};

/// What a report adds to its call at most.
const REPORT: Duration = Duration::from_millis(500);
/// The bounds of the first wait: usual, and near the deadline.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const HASTY_WAIT: Duration = Duration::from_millis(20);
/// The bound that the wait after a conflict is doubled to at most.
const LONGEST_WAIT: Duration = Duration::from_millis(640);
/// A sample is not worth more conflicts than this.
const SAMPLE_ATTEMPTS: u32 = 4;

/// The reports of one instance that are not on their way yet.
#[derive(Debug, Default)]
pub(super) struct Reports {
    under_way: bool,
    waiting: Vec<Report>,
}

impl CircuitBreaker {
    /// Reports, or leaves the report to one that is under way. Gives up after 500 ms or at the end
    /// of the invocation's time for reports.
    pub(super) async fn report(&self, report: Report) {
        let deadline = Deadline::current().map(Deadline::for_report);
        let left = deadline.map_or(REPORT, |deadline| deadline.remaining().min(REPORT));
        if left < Deadline::LEAST || !self.joins(report) {
            return;
        }
        let _lead = Lead(self);
        let ends = Instant::now() + left;
        // The results of probes and the samples of good calls are few and do not come in bursts.
        let probe = report.permit.probe.is_some();
        let first = match report.outcome {
            _ if probe => Duration::ZERO,
            Outcome::Failure if left < REPORT => HASTY_WAIT,
            Outcome::Failure => FIRST_WAIT,
            Outcome::Success | Outcome::Neutral => Duration::ZERO,
        };
        // A probe knows the record: it wrote its lease there. A read may even be older.
        let lead = self.lead(first, !probe, ends);
        let _ = match deadline {
            Some(deadline) => deadline.scope(timeout_at(ends, lead)).await,
            None => timeout_at(ends, lead).await,
        };
    }

    /// Queues the report; whether this caller has to lead.
    fn joins(&self, report: Report) -> bool {
        let mut reports = lock(&self.shared.reports);
        reports.waiting.push(report);
        !std::mem::replace(&mut reports.under_way, true)
    }

    async fn lead(&self, first: Duration, mut reads: bool, ends: Instant) {
        let mut bound = first;
        let mut mine = Vec::new();
        let mut conflicts = 0;
        let mut beaten = None;
        loop {
            // Never so long that no attempt would follow.
            let left = ends.saturating_duration_since(Instant::now());
            sleep(self.settings().chance.up_to(bound.min(left / 2))).await;
            let began = self.now();
            if std::mem::replace(&mut reads, true) {
                match self.read().await {
                    // A stale read of what was replaced already: the conflict told more.
                    Ok(found) if conflicts > 0 && version(found.as_ref()) == beaten => {}
                    Ok(found) => self.adopt(found, began),
                    Err(error) => {
                        self.store_failed(&error);
                        mine.append(&mut lock(&self.shared.reports).waiting);
                        return self.count_privately(&mine);
                    }
                }
            }
            mine.append(&mut lock(&self.shared.reports).waiting);
            let snapshot = self.shared.snapshot.load_full();
            let now = self.now();
            let Some(next) = self.fold(&snapshot.record, &mut mine, now) else { return };
            match self.swap(snapshot.version, WriteId::random(), &next).await {
                Ok(Swap::Done(version)) => {
                    self.adopt_written(next, version, now);
                    mine.clear();
                    if self.is_moot(&mine) {
                        return;
                    }
                    bound = FIRST_WAIT;
                }
                Ok(Swap::Conflict(current)) => {
                    beaten = snapshot.version;
                    self.adopt(current, now);
                    let record = &self.shared.snapshot.load_full().record;
                    mine.retain(|report| report.permit.stands(record, now));
                    bound = (bound * 2).clamp(FIRST_WAIT, LONGEST_WAIT);
                    conflicts += 1;
                    let sample = matches!(self.policy().rule, Rule::Rate { .. });
                    if self.is_moot(&mine) || (sample && conflicts == SAMPLE_ATTEMPTS) {
                        return;
                    }
                }
                Err(error) if error.kind() == StoreErrorKind::Ambiguous => {
                    // A probe's result is settled by its id: it counts while that is there. Anything
                    // else may have been counted: twice would be worse than not at all.
                    mine.retain(|report| report.permit.probe.is_some());
                    bound = FIRST_WAIT;
                }
                Err(error) => {
                    self.store_failed(&error);
                    return self.count_privately(&mine);
                }
            }
        }
    }

    /// Whether nothing is left to report.
    fn is_moot(&self, mine: &[Report]) -> bool {
        mine.is_empty() && lock(&self.shared.reports).waiting.is_empty()
    }

    /// The record with all of `reports` counted; `None` if none of them counts any more.
    fn fold(
        &self,
        record: &CircuitRecord,
        reports: &mut Vec<Report>,
        now: Timestamp,
    ) -> Option<CircuitRecord> {
        self.thin(record, reports, now);
        let (policy, chance) = (self.policy(), &self.settings().chance);
        let mut next = None;
        for report in reports {
            let record = next.as_ref().unwrap_or(record);
            if report.outcome == Outcome::Failure
                && report.permit.stands(record, now)
                && rules::alone(record, policy, report.instance, now)
            {
                self.stand_alone();
            }
            if let Some(probe) = report.permit.probe.filter(|probe| probe.until <= now) {
                self.tell(&CircuitEvent::ProbeExpired { id: probe.id });
            }
            if let Some(counted) = rules::apply(record, policy, report, now, chance.draw()) {
                next = Some(counted);
            }
        }
        next
    }

    /// Samples the reports once more by what was just read: a snapshot may have known nothing of the
    /// storm that is going on.
    fn thin(&self, record: &CircuitRecord, reports: &mut Vec<Report>, now: Timestamp) {
        if !matches!(self.policy().rule, Rule::Rate { .. }) {
            return;
        }
        let sampling = rules::sampling(record, self.policy(), now);
        reports.retain_mut(|report| {
            let bad = report.slow || report.outcome == Outcome::Failure;
            let weight = if bad { sampling.bad } else { sampling.good };
            if report.permit.probe.is_some() || weight <= report.weight {
                return true;
            }
            let kept = f64::from(report.weight) / f64::from(weight);
            report.weight = weight;
            self.settings().chance.draw() < kept
        });
    }

    /// Counts on the private record what the store could not be told.
    fn count_privately(&self, reports: &[Report]) {
        let chance = &self.settings().chance;
        for report in reports {
            self.change_private(|record, now| {
                rules::apply(record, self.policy(), report, now, chance.draw())
            });
        }
    }
}

fn version(found: Option<&Versioned<CircuitRecord>>) -> Option<Version> {
    found.map(|found| found.version)
}

/// Who leads. However its future ends, the next report finds the way free.
struct Lead<'a>(&'a CircuitBreaker);

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        // What still waits was admitted long ago when the next report comes: it is lost.
        *lock(&self.0.shared.reports) = Reports::default();
    }
}
