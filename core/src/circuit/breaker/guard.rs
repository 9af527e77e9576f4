use super::{CircuitBreaker, lock, snapshot::Snapshot};
use crate::{
    Timestamp,
    circuit::{
        Rule,
        rules::{self, Outcome, Permit, Report, Sampling},
    },
};

/// A call that was admitted. It says how it went, or is dropped and says nothing.
#[derive(Debug)]
#[must_use = "dropped, it says nothing about the call"]
pub struct Guard<'a> {
    pub(super) breaker: &'a CircuitBreaker,
    permit: Permit,
    sampling: Sampling,
    /// Whether the permit comes from the private record of an outage.
    private: bool,
    admitted_at: Timestamp,
    /// Whether this call is the one that tries the store again.
    pub(super) tries_store: bool,
}

impl<'a> Guard<'a> {
    pub(super) fn new(
        breaker: &'a CircuitBreaker,
        snapshot: &Snapshot,
        probe: Option<crate::circuit::Probe>,
        now: Timestamp,
    ) -> Self {
        Self {
            breaker,
            permit: Permit::of(&snapshot.record, probe),
            sampling: snapshot.sampling,
            private: snapshot.outage.is_some(),
            admitted_at: now,
            tries_store: false,
        }
    }

    /// The dependency did its work.
    pub async fn success(self) {
        self.settle(Outcome::Success).await;
    }

    /// The dependency failed. Returns when the fleet knows, after 500 ms at most.
    pub async fn failure(self) {
        self.settle(Outcome::Failure).await;
    }

    /// The call says nothing about the dependency.
    pub fn neutral(self) {}

    /// Reports the outcome, if it is to be reported.
    pub(super) async fn settle(mut self, outcome: Outcome) {
        let breaker = self.breaker;
        if let Some(report) = self.report(outcome) {
            Box::pin(breaker.report(report)).await;
        }
        if self.tries_store {
            self.tries_store = false;
            let _ = tokio::time::timeout(super::outage::GRACE, Box::pin(breaker.try_store())).await;
        }
    }

    /// What there is to tell the store: nothing, for nearly every call that is well.
    fn report(&mut self, outcome: Outcome) -> Option<Report> {
        let policy = self.breaker.policy();
        if outcome == Outcome::Neutral {
            return None;
        }
        let slow = policy
            .slow_calls()
            .is_some_and(|slow| self.breaker.now().since(self.admitted_at) >= slow.after);
        let bad = slow || outcome == Outcome::Failure;
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
        let instance = self.breaker.settings().instance;
        let report = Report { permit: self.permit, outcome, slow, weight, instance };
        // From here on the lease is used up, whatever becomes of the report.
        self.permit.probe = None;
        if self.private {
            let chance = self.breaker.settings().chance.draw();
            self.breaker.change_private(|r, now| rules::apply(r, policy, &report, now, chance));
            return None;
        }
        Some(report)
    }
}

impl Drop for Guard<'_> {
    /// A probe that says nothing leaves its lease to the next call of this instance.
    fn drop(&mut self) {
        if let Some(probe) = self.permit.probe.take() {
            *lock(&self.breaker.shared.spare) = Some(probe);
            self.breaker.look_sooner(std::time::Duration::ZERO);
        }
    }
}

/// One of `weight`, by chance.
fn drawn(chance: &crate::Chance, weight: u32) -> bool {
    weight <= 1 || (u128::from(chance.bits()) * u128::from(weight)) >> 64 == 0
}
