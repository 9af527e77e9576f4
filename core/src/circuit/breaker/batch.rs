//! The reports of one instance, in batches. The first report of a batch is its *leader*: it writes all
//! reports that have been queued until then with one swap.

use std::{convert::Infallible, sync::Mutex, time::Duration};

use tokio::sync::oneshot;

use super::lock::lock;
use crate::{Timestamp, circuit::rules::Report};

/// How long a report waits at most for a leader that can write it, 10 s. It is counted with the time of
/// the write, so it must not be much older than that.
const KEPT: Duration = Duration::from_secs(10);

/// The reports of one instance that are not written yet.
#[derive(Debug, Default)]
pub(super) struct ReportQueue(Mutex<Reports>);

#[derive(Debug, Default)]
struct Reports {
    has_leader: bool,
    waiting: Vec<Waiting>,
}

/// A report that a leader has to write.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) report: Report,
    since: Timestamp,
    /// Dropping this value wakes the call that waits for the report.
    _ends: oneshot::Sender<Infallible>,
}

/// Who writes a report that was queued.
#[derive(Debug)]
pub(super) enum Joined<'a> {
    /// This report is the leader of a batch.
    Leads(BatchLeader<'a>),
    /// The present leader writes the report. The receiver ends when the report was counted or given up.
    Waits(oneshot::Receiver<Infallible>),
}

/// The right to lead the batch. However the leader's future ends, the next report can become the leader,
/// and finds the reports that are still queued.
#[derive(Debug)]
pub(super) struct BatchLeader<'a> {
    queue: &'a ReportQueue,
    leads: bool,
}

impl ReportQueue {
    /// Queues a report, which becomes the leader if there is none.
    pub(super) fn join(&self, report: Report, now: Timestamp) -> Joined<'_> {
        let (ends, ended) = oneshot::channel();
        let mut reports = lock(&self.0);
        reports.waiting.push(Waiting { report, since: now, _ends: ends });
        let has_leader = std::mem::replace(&mut reports.has_leader, true);
        drop(reports);
        if has_leader {
            return Joined::Waits(ended);
        }
        Joined::Leads(BatchLeader { queue: self, leads: true })
    }
}

impl BatchLeader<'_> {
    /// Takes the queued reports, and drops those that are too old.
    pub(super) fn take(&self, now: Timestamp) -> Vec<Waiting> {
        let mut waiting = std::mem::take(&mut lock(&self.queue.0).waiting);
        waiting.retain(|waiting| now.since(waiting.since) < KEPT);
        waiting
    }

    /// Queues reports again that were certainly not counted.
    pub(super) fn put_back(&self, mut taken: Vec<Waiting>) {
        let mut reports = lock(&self.queue.0);
        taken.append(&mut reports.waiting);
        reports.waiting = taken;
    }

    /// Whether the queue is empty. If it is, this leader's batch ends in the same moment: the next report
    /// that joins becomes a leader.
    pub(super) fn is_done(&mut self) -> bool {
        let mut reports = lock(&self.queue.0);
        let is_done = reports.waiting.is_empty();
        if is_done {
            reports.has_leader = false;
            self.leads = false;
        }
        is_done
    }
}

impl Drop for BatchLeader<'_> {
    fn drop(&mut self) {
        if self.leads {
            let mut reports = lock(&self.queue.0);
            reports.has_leader = false;
            // Another call gets the lease of this probe, and reports its own outcome.
            reports.waiting.retain(|waiting| waiting.report.permit.probe.is_none());
        }
    }
}
#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;
    use crate::{
        circuit::{
            CircuitRecord, Instance, Probe,
            rules::{CallOutcome, Permit},
        },
        register::WriteId,
    };

    fn leading(joined: Joined<'_>) -> BatchLeader<'_> {
        let Joined::Leads(leader) = joined else { panic!("there is a leader") };
        leader
    }

    fn report() -> Report {
        of(None)
    }

    fn of(probe: Option<Probe>) -> Report {
        Report {
            permit: Permit::of(&CircuitRecord::default(), probe),
            outcome: CallOutcome::Failure,
            slow: false,
            weight: 1,
            instance: Instance::new("one"),
        }
    }

    #[test]
    fn no_report_is_lost_between_the_end_of_a_batch_and_the_next_report() {
        let (queue, counted) = (ReportQueue::default(), AtomicUsize::new(0));
        let joins = || {
            for _ in 0..20_000 {
                let Joined::Leads(mut leader) = queue.join(report(), Timestamp::EPOCH) else {
                    continue;
                };
                while !leader.is_done() {
                    counted.fetch_add(leader.take(Timestamp::EPOCH).len(), Ordering::Relaxed);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(joins);
            }
        });
        assert_eq!(counted.load(Ordering::Relaxed), 80_000);
    }

    #[test]
    fn the_next_leader_takes_over_the_reports_of_a_dropped_one_unless_they_are_too_old() {
        let queue = ReportQueue::default();
        let at = |seconds| Timestamp::EPOCH + Duration::from_secs(seconds);
        let leader = leading(queue.join(report(), at(0)));
        let Joined::Waits(mut joined) = queue.join(report(), at(5)) else { panic!("two leaders") };
        drop(leader);
        assert!(matches!(joined.try_recv(), Err(TryRecvError::Empty)), "it still waits");
        let leader = leading(queue.join(report(), at(12)));
        let taken = leader.take(at(12));
        assert_eq!(taken.len(), 2);
        leader.put_back(taken);
        assert!(matches!(joined.try_recv(), Err(TryRecvError::Empty)), "it waits again");
        assert_eq!(leader.take(at(13)).len(), 2);
        assert!(matches!(joined.try_recv(), Err(TryRecvError::Closed)), "it was taken for good");
    }

    #[test]
    fn the_result_of_a_dropped_probe_is_discarded_because_its_lease_gets_another_result() {
        let queue = ReportQueue::default();
        let probe = Probe { id: WriteId::from_bits(1), until: Timestamp::EPOCH };
        let leader = leading(queue.join(of(Some(probe)), Timestamp::EPOCH));
        let joined = queue.join(report(), Timestamp::EPOCH);
        assert!(matches!(joined, Joined::Waits(_)), "there is one leader");
        drop(leader);
        let leader = leading(queue.join(report(), Timestamp::EPOCH));
        let left = leader.take(Timestamp::EPOCH);
        assert_eq!(left.len(), 2);
        assert!(left.iter().all(|waiting| waiting.report.permit.probe.is_none()));
    }
}
