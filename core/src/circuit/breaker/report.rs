//! Reports the outcome of a call to the fleet: read the record, apply the report, swap.
//!
//! The first of several reports of one instance leads a batch: it waits a moment, and then writes the
//! others too. The wait makes a burst cheap. Of 500 failures at the same time, most find that the circuit
//! is open when they read. Without the wait, three times as many operations on the store would be needed.

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

/// The longest time that a report can add to its call, 500 ms: one operation on a store that does not
/// answer.
const REPORT: Duration = Duration::from_millis(500);

/// The longest first wait, 125 ms. With it, 500 failures at the same time cost at most 800 operations and
/// open the circuit within 0.3 s. With 100 ms, an unlucky draw costs more operations than that.
const FIRST_WAIT: Duration = Duration::from_millis(125);

/// The longest first wait near the deadline, 20 ms, because there is no time for a longer one.
const HASTY_WAIT: Duration = Duration::from_millis(20);

/// The limit up to which the longest wait doubles with each conflict, 640 ms. A report has less time than
/// this, so even its last wait is spread over all the time that is left.
const LONGEST_WAIT: Duration = Duration::from_millis(640);

impl CircuitBreaker {
    /// Writes the report to the store, or adds it to a batch that is under way. With `waits`, it waits for
    /// the end of that batch. It gives up after 500 ms, or at the end of the invocation's time for reports.
    pub(super) async fn report(&self, report: Report, waits: bool) {
        let joined = self.shared.reports.join(report, self.now());
        let current = Deadline::current().map(Deadline::for_report);
        let deadline = current
            .map_or_else(|| Deadline::within(REPORT), |deadline| deadline.no_later_than(REPORT));
        let leader = match joined {
            Joined::Leads(leader) => leader,
            Joined::Waits(ended) if waits => {
                // The sender is dropped when the report is over, so an error is expected here.
                let _ = timeout_at(deadline.ends(), ended).await;
                return;
            }
            Joined::Waits(_) => return,
        };
        let _pending = PendingReport::begin();
        // Outcomes of probes and samples of good calls are few and do not come in bursts.
        let is_probe = report.permit.probe.is_some();
        let first_wait = match report.outcome {
            _ if is_probe => Duration::ZERO,
            outcome if !outcome.is_failure() => Duration::ZERO,
            _ if current.is_some_and(|current| current.remaining() < REPORT) => HASTY_WAIT,
            _ => FIRST_WAIT,
        };
        // A probe need not read the record, because it has just written its lease there. A read could
        // even return an older record.
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
            // The wait must leave time for an attempt.
            let left = Deadline::current().map_or(REPORT, |deadline| deadline.remaining());
            sleep(self.settings().chance.up_to(bound.min(left / 2))).await;
            if !has_time() {
                return;
            }
            let (began, instant) = (self.now(), Instant::now());
            if std::mem::replace(&mut reads, true) {
                match self.read().await {
                    // A stale read returned the record that was already replaced. The conflict has shown
                    // a newer one.
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
                // Another call found the store down meanwhile. The snapshot now has the private record of
                // this process, which must never be written to the store.
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
                    // The outcome of a probe is sent again: it counts only while the record holds the
                    // probe's lease, so it cannot count twice. Every other report may have been counted.
                    // Counting it twice would be worse than losing it.
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

    /// Counts the queued reports on the private record. If the store is not down, they stay in the queue for
    /// the next leader.
    fn count_batch_privately(&self, mut leader: BatchLeader<'_>) {
        while self.shared.snapshot.load().outage.is_some() && !leader.is_done() {
            for waiting in leader.take(self.now()) {
                self.count_privately(&waiting.report);
            }
        }
    }

    /// Returns the record with all of `reports` counted. `None` if none of them counts any more.
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

    /// Samples the reports once more, by the record that was just read. The old snapshot may not have shown
    /// yet that many calls fail now.
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
