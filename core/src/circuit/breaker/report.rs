//! Telling the fleet how a call went: read, apply to what was read, swap.
//!
//! Of several reports on one instance the first to come leads, waits a moment and takes the others
//! along. Waiting first is what keeps a burst cheap: of 500 failures at once most find the circuit
//! open when they read.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    CircuitBreaker,
    queue::{Lead, Waiting},
    store::has_time,
};
use crate::{
    Deadline, PendingReport, StoreErrorKind, Timestamp,
    circuit::{
        CircuitEvent, CircuitRecord, Rule,
        rules::{self, CallOutcome, Report},
    },
    register::{Swap, Version, Versioned, WriteId},
};

/// What a report adds to its call at most.
const REPORT: Duration = Duration::from_millis(500);
/// The bounds of the first wait: usual, and near the deadline.
const FIRST_WAIT: Duration = Duration::from_millis(125);
const HASTY_WAIT: Duration = Duration::from_millis(20);
/// The bound that the wait after a conflict is doubled to at most.
const LONGEST_WAIT: Duration = Duration::from_millis(640);
/// A sample is not worth more conflicts than this.
const SAMPLE_ATTEMPTS: u32 = 4;

impl CircuitBreaker {
    /// Reports, or leaves the report to one that is under way. Gives up after 500 ms or at the end
    /// of the invocation's time for reports.
    pub(super) async fn report(&self, report: Report) {
        let Some(lead) = self.shared.reports.join(report, self.now()) else { return };
        let _pending = PendingReport::begin();
        let current = Deadline::current().map(Deadline::for_report);
        let deadline = current
            .map_or_else(|| Deadline::within(REPORT), |deadline| deadline.no_later_than(REPORT));
        // The results of probes and the samples of good calls are few and do not come in bursts.
        let probe = report.permit.probe.is_some();
        let first = match report.outcome {
            _ if probe => Duration::ZERO,
            CallOutcome::Failure if current.is_some_and(|current| current.remaining() < REPORT) => {
                HASTY_WAIT
            }
            CallOutcome::Failure => FIRST_WAIT,
            CallOutcome::Success | CallOutcome::Neutral => Duration::ZERO,
        };
        // A probe knows the record: it wrote its lease there. A read may even be older.
        deadline.scope(self.lead(lead, first, !probe)).await;
    }

    async fn lead(&self, mut lead: Lead<'_>, first: Duration, mut reads: bool) {
        let mut bound = first;
        let mut conflicts = 0_u32;
        let mut beaten = None;
        loop {
            // Never so long that no attempt would follow.
            let left = Deadline::current().map_or(REPORT, |deadline| deadline.remaining());
            sleep(self.settings().chance.up_to(bound.min(left / 2))).await;
            if !has_time() {
                return;
            }
            let (began, instant) = (self.now(), Instant::now());
            if std::mem::replace(&mut reads, true) {
                match self.read().await {
                    // A stale read of what was replaced already: the conflict told more.
                    Ok(found) if conflicts > 0 && version(found.as_ref()) == beaten => {}
                    Ok(found) => self.adopt(found, began),
                    Err(error) => {
                        self.store_failed(&error, instant);
                        return self.settle_privately(lead);
                    }
                }
            }
            let snapshot = self.shared.snapshot.load_full();
            if snapshot.outage.is_some() {
                // Another call found the store down meanwhile: what this instance decides by is not
                // the fleet's, and never goes there.
                return self.settle_privately(lead);
            }
            let now = self.now();
            let mut mine = lead.take(now);
            let Some(next) = self.fold(&snapshot.record, &mut mine, now) else {
                if lead.is_done() {
                    return;
                }
                bound = FIRST_WAIT;
                continue;
            };
            let instant = Instant::now();
            match self.swap(snapshot.version, WriteId::random(), &next).await {
                Ok(Swap::Applied(version)) => {
                    self.adopt_written(next, version, now);
                    if lead.is_done() {
                        return;
                    }
                    bound = FIRST_WAIT;
                }
                Ok(Swap::Conflict(current)) => {
                    beaten = snapshot.version;
                    self.adopt(current, now);
                    conflicts += 1;
                    let sample = matches!(self.policy().rule, Rule::Rate { .. });
                    if !(sample && conflicts.is_multiple_of(SAMPLE_ATTEMPTS)) {
                        let record = &self.shared.snapshot.load_full().record;
                        mine.retain(|(_, report)| report.permit.stands(record, now));
                        lead.put_back(mine);
                    }
                    if lead.is_done() {
                        return;
                    }
                    bound = (bound * 2).clamp(FIRST_WAIT, LONGEST_WAIT);
                }
                Err(error) if error.kind() == StoreErrorKind::Ambiguous => {
                    // A probe's result is settled by its id: it counts while that is there. Anything
                    // else may have been counted: twice would be worse than not at all.
                    mine.retain(|(_, report)| report.permit.probe.is_some());
                    lead.put_back(mine);
                    bound = FIRST_WAIT;
                }
                Err(error) => {
                    self.store_failed(&error, instant);
                    lead.put_back(mine);
                    return self.settle_privately(lead);
                }
            }
        }
    }

    /// Counts privately what waits; while the store is not down it goes on waiting, for the next
    /// report.
    fn settle_privately(&self, mut lead: Lead<'_>) {
        while self.shared.snapshot.load().outage.is_some() && !lead.is_done() {
            for (_, report) in lead.take(self.now()) {
                self.count_privately(&report);
            }
        }
    }

    /// The record with all of `reports` counted; `None` if none of them counts any more.
    fn fold(
        &self,
        record: &CircuitRecord,
        reports: &mut Vec<Waiting>,
        now: Timestamp,
    ) -> Option<CircuitRecord> {
        self.thin(record, reports, now);
        let (policy, chance) = (self.policy(), &self.settings().chance);
        let mut next = None;
        for (_, report) in reports {
            let record = next.as_ref().unwrap_or(record);
            if (report.slow || report.outcome == CallOutcome::Failure)
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
    fn thin(&self, record: &CircuitRecord, reports: &mut Vec<Waiting>, now: Timestamp) {
        if !matches!(self.policy().rule, Rule::Rate { .. }) {
            return;
        }
        let sampling = rules::sampling(record, self.policy(), now);
        reports.retain_mut(|(_, report)| {
            let bad = report.slow || report.outcome == CallOutcome::Failure;
            let weight = if bad { sampling.bad } else { sampling.good };
            if report.permit.probe.is_some() || weight <= report.weight {
                return true;
            }
            let kept = f64::from(report.weight) / f64::from(weight);
            report.weight = weight;
            self.settings().chance.draw() < kept
        });
    }
}

fn version(found: Option<&Versioned<CircuitRecord>>) -> Option<Version> {
    found.map(|found| found.version)
}
