//! A record as the model keeps it: small and hashable, with times relative to the present.
//!
//! Everything that no rule uses is left out: failures outside of the window, leases that are over, the end
//! of an open duration that is over, the cause, and the consecutive opens, because the open duration of the
//! model's policy does not grow. So time can go on for ever with a finite number of states.

use std::{collections::BTreeSet, time::Duration};

use funcify_core::{
    Timestamp,
    circuit::{CircuitPolicy, CircuitRecord, CircuitState, CountRule, Override, OverrideMode},
    engine::circuit::{Failure, Instance, Probe, credible},
    register::WriteId,
};

/// The present in every state. All other times are relative to it.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// One step of time. A call takes at most one, and its lease has two seconds more for the report.
const TICK: Duration = Duration::from_secs(2);
pub(crate) const LEASE: u8 = 2;
pub(crate) const TTL: u8 = 2;
pub(crate) const WINDOW: u8 = 2;
const TTL_AFTER_FAILURE: u8 = 1;
const OPEN_DURATION: u8 = 2;

/// The age of the epoch of a record that was never written.
const NEVER: u8 = u8::MAX;
/// The age of an epoch in a permit that no record has any more, and that none will ever have.
const DEAD: u8 = u8::MAX - 1;

/// An epoch, and how many ticks ago it began. A report counts only in the epoch of its permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Epoch {
    pub(crate) number: u8,
    pub(crate) ago: u8,
}

/// A lease, and how many ticks are left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Lease {
    pub(crate) left: u8,
    pub(crate) id: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Record {
    pub(crate) state: CircuitState,
    pub(crate) epoch: Epoch,
    pub(crate) open_for: u8,
    /// How many ticks ago each failure was, oldest first.
    pub(crate) failures: Vec<u8>,
    pub(crate) leases: Vec<Lease>,
    pub(crate) successes: u32,
    pub(crate) overridden: Option<(OverrideMode, u8)>,
}

/// A policy by which `failures` failures within two ticks open the circuit for two ticks.
pub(crate) fn policy(failures: u32, probes: u32, successes: u32) -> CircuitPolicy {
    let open_duration = TICK * u32::from(OPEN_DURATION);
    let mut policy = CircuitPolicy::new(CountRule::new(failures, TICK * u32::from(WINDOW)));
    policy.call_timeout = TICK * u32::from(LEASE) - Duration::from_secs(2);
    policy.open_duration = open_duration;
    policy.max_open_duration = open_duration;
    policy.probes = probes;
    policy.successes = successes;
    policy.snapshot_ttl = TICK * u32::from(TTL);
    policy.snapshot_ttl_after_failure = TICK * u32::from(TTL_AFTER_FAILURE);
    policy
}

impl Record {
    /// Returns the record that an absent one means.
    pub(crate) fn empty() -> Self {
        Self::of(&CircuitRecord::default())
    }

    pub(crate) fn of(record: &CircuitRecord) -> Self {
        let overridden = record.override_at(NOW);
        let open = record.state == CircuitState::Open;
        let mut failures: Vec<u8> =
            record.failures.iter().map(|f| ticks(NOW.since(f.at))).collect();
        failures.retain(|ago| *ago < WINDOW);
        let mut leases: Vec<Lease> = record.probes.iter().map(Lease::of).collect();
        leases.retain(|lease| lease.left > 0);
        leases.sort_unstable();
        Self {
            state: record.state,
            epoch: Epoch::of(record.epoch, record.changed_at),
            open_for: if open { ticks(record.open_until.since(NOW)) } else { 0 },
            failures,
            leases,
            successes: record.round_successes,
            overridden: overridden.map(|set| (set.mode, ticks(set.until.since(NOW)))),
        }
    }

    /// Returns the record in the form that the rules use, as it is after a read.
    pub(crate) fn real(&self, policy: &CircuitPolicy) -> CircuitRecord {
        let failure = |ago: &u8| Failure { at: before(*ago), instance: Instance::new("i") };
        let overridden = |(mode, left): (OverrideMode, u8)| Override::new(mode, after(left), "");
        let mut record = CircuitRecord::default();
        record.state = self.state;
        record.epoch = self.epoch.number.into();
        record.changed_at = self.epoch.changed_at();
        record.open_until = after(self.open_for);
        record.failures = self.failures.iter().map(failure).collect();
        record.probes = self.leases.iter().map(Lease::real).collect();
        record.round_successes = self.successes;
        record.overridden = self.overridden.map(overridden);
        credible(record, policy, NOW)
    }

    /// Returns how many more ticks a snapshot may be used that was read `ago` ticks ago.
    pub(crate) fn usable_for(&self, policy: &CircuitPolicy, ago: u8) -> u8 {
        let full = || self.leases.len() >= usize::try_from(policy.probes).unwrap();
        match (self.overridden, self.state) {
            (Some((OverrideMode::ForceOpen, left)), _) => left,
            (Some((OverrideMode::Disabled, left)), _) => left.min(TTL.saturating_sub(ago)),
            (None, CircuitState::Open) => self.open_for,
            (None, CircuitState::HalfOpen) if full() => TTL_AFTER_FAILURE.saturating_sub(ago),
            (None, CircuitState::HalfOpen) => 0,
            (None, CircuitState::Closed) if self.failures.is_empty() => TTL.saturating_sub(ago),
            (None, CircuitState::Closed) => TTL_AFTER_FAILURE.saturating_sub(ago),
        }
    }

    pub(crate) fn ages(&mut self, leases_end: bool) {
        self.epoch.ages();
        self.open_for = self.open_for.saturating_sub(1);
        self.failures.iter_mut().for_each(|ago| *ago += 1);
        self.failures.retain(|ago| *ago < WINDOW);
        if leases_end {
            self.leases.iter_mut().for_each(Lease::ages);
            self.leases.retain(|lease| lease.left > 0);
        }
        self.overridden =
            self.overridden.map(|(mode, left)| (mode, left - 1)).filter(|(_, left)| *left > 0);
    }
}

impl Epoch {
    pub(crate) fn of(number: u64, changed_at: Timestamp) -> Self {
        let ago = if changed_at == Timestamp::EPOCH { NEVER } else { ticks(NOW.since(changed_at)) };
        Self { number: u8::try_from(number).unwrap(), ago }
    }

    pub(crate) fn changed_at(self) -> Timestamp {
        if self.ago == NEVER { Timestamp::EPOCH } else { before(self.ago) }
    }

    pub(crate) fn ages(&mut self) {
        if self.ago < DEAD {
            self.ago += 1;
        }
    }

    /// Reduces the age of the epoch without changing the order of all epochs, whose ages are `ages`. Only the
    /// order matters. An age of at least 1 stays at least 1, because an epoch must not seem to begin now.
    pub(crate) fn draws_closer(&mut self, ages: &BTreeSet<u8>) {
        if self.ago < DEAD {
            let later = ages.range(1..self.ago.max(1)).count();
            self.ago = self.ago.min(1 + u8::try_from(later).unwrap());
        }
    }

    /// Marks the epoch of a permit as dead if no record has it. No later record can have it.
    pub(crate) fn dies_unless_among(&mut self, living: &BTreeSet<Self>) {
        if self.ago != NEVER && !living.contains(self) {
            self.ago = DEAD;
        }
    }
}

impl Lease {
    fn of(probe: &Probe) -> Self {
        let id = u8::try_from(probe.id.bits()).unwrap();
        Self { id, left: ticks(probe.until.since(NOW)) }
    }

    pub(crate) fn real(&self) -> Probe {
        Probe { id: WriteId::from_bits(self.id.into()), until: after(self.left) }
    }

    pub(crate) fn ages(&mut self) {
        self.left = self.left.saturating_sub(1);
    }
}

fn before(ticks: u8) -> Timestamp {
    NOW - TICK * u32::from(ticks)
}

fn after(ticks: u8) -> Timestamp {
    NOW + TICK * u32::from(ticks)
}

fn ticks(span: Duration) -> u8 {
    u8::try_from(span.as_secs() / TICK.as_secs()).unwrap()
}
