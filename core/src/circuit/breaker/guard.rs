use std::time::Duration;

use tokio::time::timeout;

use super::{CircuitBreaker, gate::Terms, lock, outage::GRACE, snapshot::Snapshot};
use crate::{
    Chance, Timestamp,
    circuit::{
        Probe, Rule,
        rules::{CallOutcome, Permit, Report, Sampling},
    },
};

/// A call that was admitted. It says how it went, or is dropped and says nothing.
#[derive(Debug)]
#[must_use = "dropped, it says nothing about the call"]
pub struct Guard<'a> {
    pub(super) breaker: &'a CircuitBreaker,
    permit: Permit,
    sampling: Sampling,
    /// Whether the permit is from the private record of an outage.
    private: bool,
    admitted_at: Timestamp,
    /// Whether this call is the one that tries the store again.
    pub(super) tries_store: bool,
}

impl<'a> Guard<'a> {
    pub(super) fn new(
        breaker: &'a CircuitBreaker,
        snapshot: &Snapshot,
        probe: Option<Probe>,
        now: Timestamp,
    ) -> Self {
        Self::on(breaker, snapshot.terms(probe), now)
    }

    /// The guard of a call that was admitted on `terms`.
    pub(super) fn on(breaker: &'a CircuitBreaker, terms: Terms, now: Timestamp) -> Self {
        let Terms { permit, sampling, private } = terms;
        Self { breaker, permit, sampling, private, admitted_at: now, tries_store: false }
    }

    /// The dependency did its work.
    pub async fn success(self) {
        self.settle(CallOutcome::Success).await;
    }

    /// The dependency failed. Returns when the fleet knows, after 500 ms at most.
    pub async fn failure(self) {
        self.settle(CallOutcome::Failure).await;
    }

    /// The call says nothing about the dependency.
    pub fn neutral(self) {}

    /// Reports the outcome, if it is to be reported.
    pub(super) async fn settle(mut self, outcome: CallOutcome) {
        let breaker = self.breaker;
        if let Some(report) = self.report(outcome) {
            Box::pin(breaker.report(report)).await;
        }
        if self.tries_store {
            self.tries_store = false;
            let _ = timeout(GRACE, Box::pin(breaker.try_store())).await;
        }
    }

    /// What there is to tell the store: nothing, for nearly every call that is well.
    fn report(&self, outcome: CallOutcome) -> Option<Report> {
        let policy = self.breaker.policy();
        if outcome == CallOutcome::Neutral {
            return None;
        }
        let slow = policy
            .slow_calls()
            .is_some_and(|slow| self.breaker.now().since(self.admitted_at) >= slow.after);
        let bad = slow || outcome == CallOutcome::Failure;
        if bad {
            self.breaker.look_sooner(policy.suspect);
        }
        let weight = match policy.rule {
            _ if self.permit.probe.is_some() => 1,
            Rule::Count { .. } if bad => 1,
            Rule::Count { .. } => return None,
            Rule::Rate { .. } => {
                let weight = if bad { self.sampling.bad } else { self.sampling.good };
                if !drawn(&self.breaker.settings().chance, weight) {
                    return None;
                }
                weight
            }
        };
        let snapshot = self.breaker.shared.snapshot.load();
        // Under an operator's order nothing counts.
        if snapshot.record.override_at(self.breaker.now()).is_some() {
            return None;
        }
        // The store went down while the call was under way: another call has paid for that.
        let private = self.private || snapshot.outage.is_some();
        drop(snapshot);
        let instance = self.breaker.settings().instance;
        let report = Report { permit: self.permit, outcome, slow, weight, instance };
        if private {
            self.breaker.count_privately(&report);
            return None;
        }
        Some(report)
    }
}

impl Drop for Guard<'_> {
    /// A probe that said nothing, or whose report did not arrive, leaves its lease to the next call
    /// of this instance.
    fn drop(&mut self) {
        let Some(probe) = self.permit.probe else { return };
        let snapshot = self.breaker.shared.snapshot.load();
        if self.permit.stands(&snapshot.record, self.breaker.now()) {
            *lock(&self.breaker.shared.spare) = Some(probe);
            drop(snapshot);
            self.breaker.look_sooner(Duration::ZERO);
        }
    }
}

/// One of `weight`, by chance.
fn drawn(chance: &Chance, weight: u32) -> bool {
    weight <= 1 || (u128::from(chance.bits()) * u128::from(weight)) >> 64 == 0
}
