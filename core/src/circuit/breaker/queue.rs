//! The reports of one instance that are not in a swap, and who leads them.

use std::{sync::Mutex, time::Duration};

use super::lock;
use crate::{Timestamp, circuit::rules::Report};

/// A report that nobody led to its end waits so long for the next one; it is counted as of then.
const KEPT: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<Reports>);

#[derive(Debug, Default)]
struct Reports {
    is_led: bool,
    waiting: Vec<Waiting>,
}

/// A report, and since when it waits.
pub(super) type Waiting = (Timestamp, Report);

/// Who leads. However its future ends, the next report finds the way free, and what waits.
#[derive(Debug)]
pub(super) struct Lead<'a> {
    queue: &'a Queue,
    leads: bool,
}

impl Queue {
    /// Queues the report; the lead if nobody has it.
    pub(super) fn join(&self, report: Report, now: Timestamp) -> Option<Lead<'_>> {
        let mut reports = lock(&self.0);
        reports.waiting.push((now, report));
        let is_led = std::mem::replace(&mut reports.is_led, true);
        drop(reports);
        // Made only if it leads: dropped, it would give up the lead of another.
        (!is_led).then(|| Lead { queue: self, leads: true })
    }
}

impl Lead<'_> {
    /// What waits and is not too old.
    pub(super) fn take(&self, now: Timestamp) -> Vec<Waiting> {
        let mut waiting = std::mem::take(&mut lock(&self.queue.0).waiting);
        waiting.retain(|(since, _)| now.since(*since) < KEPT);
        waiting
    }

    /// What was taken and surely not counted.
    pub(super) fn put_back(&self, mut taken: Vec<Waiting>) {
        let mut reports = lock(&self.queue.0);
        taken.append(&mut reports.waiting);
        reports.waiting = taken;
    }

    /// Whether nothing waits any more. The lead is given up in the same moment: who joins after that
    /// leads.
    pub(super) fn is_done(&mut self) -> bool {
        let mut reports = lock(&self.queue.0);
        let is_done = reports.waiting.is_empty();
        if is_done {
            reports.is_led = false;
            self.leads = false;
        }
        is_done
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        if self.leads {
            let mut reports = lock(&self.queue.0);
            reports.is_led = false;
            // The lease of a probe goes to another call, which has its own result.
            reports.waiting.retain(|(_, report)| report.permit.probe.is_none());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    use super::*;
    use crate::{
        circuit::{
            CircuitRecord, Instance, Probe,
            rules::{CallOutcome, Permit},
        },
        register::WriteId,
    };

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
    fn no_report_is_lost_between_a_leader_that_ends_and_who_joins() {
        let (queue, counted) = (Queue::default(), AtomicUsize::new(0));
        let joins = || {
            for _ in 0..20_000 {
                let Some(mut lead) = queue.join(report(), Timestamp::EPOCH) else { continue };
                while !lead.is_done() {
                    counted.fetch_add(lead.take(Timestamp::EPOCH).len(), Ordering::Relaxed);
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
    fn the_next_takes_over_what_a_dropped_leader_leaves_if_it_is_not_too_old() {
        let queue = Queue::default();
        let at = |seconds| Timestamp::EPOCH + Duration::from_secs(seconds);
        let lead = queue.join(report(), at(0));
        assert!(queue.join(report(), at(5)).is_none(), "one leads");
        drop(lead);
        let lead = queue.join(report(), at(12)).unwrap();
        assert_eq!(lead.take(at(12)).len(), 2);
        lead.put_back(vec![(at(12), report())]);
        assert_eq!(lead.take(at(13)).len(), 1);
    }

    #[test]
    fn the_result_of_a_probe_is_not_left_over_for_its_lease_has_the_next_result() {
        let queue = Queue::default();
        let probe = Probe { id: WriteId::from_bits(1), until: Timestamp::EPOCH };
        let lead = queue.join(of(Some(probe)), Timestamp::EPOCH);
        assert!(queue.join(report(), Timestamp::EPOCH).is_none(), "one leads");
        drop(lead);
        let lead = queue.join(report(), Timestamp::EPOCH).unwrap();
        let left = lead.take(Timestamp::EPOCH);
        assert_eq!(left.len(), 2);
        assert!(left.iter().all(|(_, report)| report.permit.probe.is_none()));
    }
}
