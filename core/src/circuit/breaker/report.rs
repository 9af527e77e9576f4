//! Reporting to the fleet how a call went: read, apply to what was read, swap.
//!
//! Of several reports on one instance the first one leads: it waits a moment and takes the others
//! along. Waiting first keeps a burst cheap. Of 500 failures at once most find the circuit open when
//! they read; writing first would take three times as many operations on the store.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::{
    CircuitBreaker,
    batch::{BatchLeader, Joined, Waiting},
    store::has_time,
};
use crate::{
    Deadline, StoreErrorKind, Timestamp,
    circuit::{
        CircuitEvent, CircuitRecord,
        rules::{self, Report},
    },
    deadline::PendingReport,
    register::{Swap, Version, Versioned, WriteId},
};

/// What a report adds to its call at most: one operation on a store that does not answer.
const REPORT: Duration = Duration::from_millis(500);

/// The bound of the first wait. Spread over 125 ms, 500 failures at once cost at most 800 operations
/// and open the circuit within 0.3 s; over 100 ms an unlucky draw costs more.
const FIRST_WAIT: Duration = Duration::from_millis(125);

/// The bound of the first wait near the deadline, where there is no time to spread.
const HASTY_WAIT: Duration = Duration::from_millis(20);

/// The bound of the wait doubles with each conflict up to this. It is longer than a report may take
/// alone, so that even the last wait is spread over all the time that is left.
const LONGEST_WAIT: Duration = Duration::from_millis(640);

impl CircuitBreaker {
    /// Reports, or leaves the report to a batch that is under way, whose end it waits for only if
    /// `waits`. Gives up after 500 ms or at the end of the invocation's time for reports.
    pub(super) async fn report(&self, report: Report, waits: bool) {
        let joined = self.shared.reports.join(report, self.now());
        let current = Deadline::current().map(Deadline::for_report);
        let deadline = current
            .map_or_else(|| Deadline::within(REPORT), |deadline| deadline.no_later_than(REPORT));
        let leader = match joined {
            Joined::Leads(leader) => leader,
            Joined::Waits(ended) if waits => {
                // An error is the end of the report.
                let _ = timeout_at(deadline.ends(), ended).await;
                return;
            }
            Joined::Waits(_) => return,
        };
        let _pending = PendingReport::begin();
        // The results of probes and the samples of good calls are few and do not come in bursts.
        let is_probe = report.permit.probe.is_some();
        let first_wait = match report.outcome {
            _ if is_probe => Duration::ZERO,
            outcome if !outcome.is_failure() => Duration::ZERO,
            _ if current.is_some_and(|current| current.remaining() < REPORT) => HASTY_WAIT,
            _ => FIRST_WAIT,
        };
        // A probe knows the record: it wrote its lease there. A read may even be older.
        deadline.scope(self.report_batch(leader, first_wait, !is_probe)).await;
    }

    async fn report_batch(
        &self,
        mut leader: BatchLeader<'_>,
        first_wait: Duration,
        mut reads: bool,
    ) {
        let mut bound = first_wait;
        let mut conflicts = 0_u32;
        let mut replaced = None;
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
                    // A stale read of what was replaced already: the conflict showed something newer.
                    Ok(found) if conflicts > 0 && version(found.as_ref()) == replaced => {}
                    Ok(found) => self.accept(found, began),
                    Err(error) => {
                        self.store_failed(&error, instant);
                        return self.count_batch_privately(leader);
                    }
                }
            }
            let snapshot = self.shared.snapshot.load_full();
            if snapshot.outage.is_some() {
                // Another call found the store down meanwhile. The record of this instance is not the
                // fleet's, and must never be written there.
                return self.count_batch_privately(leader);
            }
            let now = self.now();
            let mut batch = leader.take(now);
            let Some(next) = self.fold(&snapshot.record, &mut batch, now) else {
                if leader.is_done() {
                    return;
                }
                bound = FIRST_WAIT;
                continue;
            };
            let instant = Instant::now();
            match self.swap(snapshot.version, WriteId::random(), &next).await {
                Ok(Swap::Applied(version)) => {
                    self.accept_written(next, version, now);
                    if leader.is_done() {
                        return;
                    }
                    bound = FIRST_WAIT;
                }
                Ok(Swap::Conflict(current)) => {
                    replaced = snapshot.version;
                    self.accept(current, now);
                    conflicts += 1;
                    let most = self.policy().rule.most_conflicts();
                    if !most.is_some_and(|most| conflicts.is_multiple_of(most)) {
                        let record = &self.shared.snapshot.load_full().record;
                        batch.retain(|waiting| waiting.report.permit.is_valid(record, now));
                        leader.put_back(batch);
                    }
                    if leader.is_done() {
                        return;
                    }
                    bound = (bound * 2).clamp(FIRST_WAIT, LONGEST_WAIT);
                }
                Err(error) if error.kind() == StoreErrorKind::Ambiguous => {
                    // The result of a probe is tried again: it counts only while the record holds its
                    // lease. Anything else may have been counted, and twice would be worse than not
                    // at all.
                    batch.retain(|waiting| waiting.report.permit.probe.is_some());
                    leader.put_back(batch);
                    bound = FIRST_WAIT;
                }
                Err(error) => {
                    self.store_failed(&error, instant);
                    leader.put_back(batch);
                    return self.count_batch_privately(leader);
                }
            }
        }
    }

    /// Counts the waiting reports on the private record. While the store is not down they go on
    /// waiting, for the next report.
    fn count_batch_privately(&self, mut leader: BatchLeader<'_>) {
        while self.shared.snapshot.load().outage.is_some() && !leader.is_done() {
            for waiting in leader.take(self.now()) {
                self.count_privately(&waiting.report);
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
        self.sample_again(record, reports, now);
        let (policy, chance) = (self.policy(), &self.settings().chance);
        let mut next = None;
        for Waiting { report, .. } in reports {
            let record = next.as_ref().unwrap_or(record);
            if report.is_bad()
                && report.permit.is_valid(record, now)
                && policy.rule.is_instance_local(record, report.instance, now)
            {
                self.open_instance_local(report.outcome.retry_after());
            }
            if let Some(probe) = report.permit.probe.filter(|probe| probe.until <= now) {
                self.emit(&CircuitEvent::ProbeExpired { id: probe.id });
            }
            if let Some(counted) = rules::apply(record, policy, report, now, chance.draw()) {
                next = Some(counted);
            }
        }
        next
    }

    /// Samples the reports once more, by what was just read: an old snapshot may have shown nothing of
    /// a storm that is under way.
    fn sample_again(&self, record: &CircuitRecord, reports: &mut Vec<Waiting>, now: Timestamp) {
        let sampling = self.policy().rule.sampling(record, now);
        reports.retain_mut(|Waiting { report, .. }| {
            let weight = sampling.weight(report.is_bad());
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
