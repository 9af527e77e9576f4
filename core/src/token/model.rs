//! A small fleet that follows the pure rules. Its instances take their steps in random orders, some are
//! frozen, and some rules are deliberately broken, which the checks below must catch.

use std::time::Duration;

use super::{
    AccessToken, TokenPolicy, TokenRecord,
    decide::{Asker, Decision, decide},
    transition::Minted,
};
use crate::{Chance, Timestamp, register::WriteId};

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const FREEZE: Duration = Duration::from_secs(60);
const DIGEST: &str = "0123456789abcdef0123456789abcdef";

/// The rule that is deliberately broken.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    None,
    /// A lease is written without comparing versions.
    UnfencedLease,
    /// The lease of another instance never ends.
    EndlessLease,
    /// The lease is not checked again before the provider is asked.
    NoSecondLook,
    /// A token is written without comparing versions.
    UnfencedToken,
}

/// At which step the first instance that reaches it is frozen for a minute.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Freeze {
    Nowhere,
    BeforeAsking,
    BeforePublishing,
}

#[derive(Clone, Debug)]
enum Step {
    Look,
    Take(Option<u64>, TokenRecord),
    Leased(u64, TokenRecord),
    Publish(u64, TokenRecord, Minted),
    Served,
}

#[derive(Debug)]
struct Instance {
    step: Step,
    asleep_until: Timestamp,
    served_at: Timestamp,
    watching: Option<(u64, Timestamp)>,
}

struct Fleet {
    flaw: Flaw,
    freeze: Freeze,
    now: Timestamp,
    chance: Chance,
    policy: TokenPolicy,
    store: Option<(u64, TokenRecord)>,
    writes: u64,
    grants: Vec<Timestamp>,
    instances: Vec<Instance>,
}

impl Fleet {
    fn run(flaw: Flaw, freeze: Freeze, seed: u64) -> Self {
        let instance = |_| Instance {
            step: Step::Look,
            asleep_until: START,
            served_at: START,
            watching: None,
        };
        let mut fleet = Self {
            flaw,
            freeze,
            now: START,
            chance: Chance::seeded(seed),
            policy: TokenPolicy::default(),
            store: None,
            writes: 0,
            grants: Vec::new(),
            instances: (0..8).map(instance).collect(),
        };
        while fleet.now < START + FREEZE * 2 {
            let ready: Vec<usize> = (0..fleet.instances.len())
                .filter(|at| {
                    let instance = &fleet.instances[*at];
                    instance.asleep_until <= fleet.now && !matches!(instance.step, Step::Served)
                })
                .collect();
            if ready.is_empty() {
                fleet.now = fleet.now + Duration::from_millis(50);
                continue;
            }
            let at = ready[(fleet.chance.draw() * ready.len() as f64) as usize];
            fleet.step(at);
            fleet.now = fleet.now + Duration::from_millis(1);
        }
        fleet
    }

    fn step(&mut self, at: usize) {
        let step = std::mem::replace(&mut self.instances[at].step, Step::Look);
        self.instances[at].step = match step {
            Step::Look => self.look(at),
            Step::Take(expected, next) => {
                let unfenced = self.flaw == Flaw::UnfencedLease;
                match self.swap(expected, next.clone(), unfenced) {
                    Some(version) => {
                        self.freeze_at(at, Freeze::BeforeAsking);
                        Step::Leased(version, next)
                    }
                    None => Step::Look,
                }
            }
            Step::Leased(version, record) => {
                let stands = record.lease.as_ref().is_some_and(|lease| self.now < lease.until);
                if stands || self.flaw == Flaw::NoSecondLook {
                    self.grants.push(self.now);
                    self.freeze_at(at, Freeze::BeforePublishing);
                    Step::Publish(version, record, self.minted())
                } else {
                    Step::Look
                }
            }
            Step::Publish(version, record, minted) => {
                let next = record.published(&minted, &self.policy, false);
                self.swap(Some(version), next, self.flaw == Flaw::UnfencedToken);
                self.serve(at)
            }
            Step::Served => Step::Served,
        };
    }

    fn look(&mut self, at: usize) -> Step {
        let (version, record) = self.store.clone().unzip();
        let watching = version.map(|version| match self.instances[at].watching {
            Some((watched, since)) if watched == version => (version, since),
            _ => (version, self.now),
        });
        self.instances[at].watching = watching;
        let record = record.unwrap_or_default();
        let asker = Asker {
            holder: WriteId::from_bits(at as u128),
            digest: DIGEST,
            meaning: DIGEST,
            cred: None,
            watched: watching.map_or(Duration::ZERO, |(_, since)| self.now.since(since)),
            patience: Duration::ZERO,
            rejected: None,
        };
        let is_anothers = record.lease.as_ref().is_some_and(|lease| lease.holder != asker.holder);
        let decision = if is_anothers && self.flaw == Flaw::EndlessLease {
            Decision::Wait { until: self.now }
        } else {
            decide(&record, &asker, &self.policy, self.now, self.chance.draw())
        };
        match decision {
            Decision::Use => self.serve(at),
            Decision::Take(next) => Step::Take(version, *next),
            Decision::Mint => Step::Leased(version.unwrap_or(0), record),
            _ => {
                let poll =
                    Duration::from_millis(100) + self.chance.up_to(Duration::from_millis(300));
                self.instances[at].asleep_until = self.now + poll;
                Step::Look
            }
        }
    }

    fn swap(&mut self, expected: Option<u64>, next: TokenRecord, unfenced: bool) -> Option<u64> {
        let current = self.store.as_ref().map(|(version, _)| *version);
        if current != expected && !unfenced {
            return None;
        }
        self.writes += 1;
        self.store = Some((self.writes, next));
        Some(self.writes)
    }

    fn freeze_at(&mut self, at: usize, here: Freeze) {
        if self.freeze == here {
            self.freeze = Freeze::Nowhere;
            self.instances[at].asleep_until = self.now + FREEZE;
        }
    }

    fn serve(&mut self, at: usize) -> Step {
        self.instances[at].served_at = self.now;
        Step::Served
    }

    fn minted(&self) -> Minted {
        Minted {
            token: AccessToken::from(format!("token {}", self.grants.len())),
            token_type: "Bearer".to_owned(),
            scope: None,
            asked_at: self.now,
            issued_at: None,
            lifetime: Duration::from_secs(3_600),
        }
    }

    /// How many instances have a token within one lease and 2 s, which is enough for a few polls.
    fn served_soon(&self) -> usize {
        let soon = START + self.policy.lease + Duration::from_secs(2);
        let is_served = |instance: &&Instance| {
            matches!(instance.step, Step::Served) && instance.served_at < soon
        };
        self.instances.iter().filter(is_served).count()
    }

    fn holds_the_last_token(&self) -> bool {
        self.store.as_ref().map(|(_, record)| record.minted_at) == self.grants.last().copied()
    }
}

/// Runs a hundred schedules, and returns how many of them kept the promise.
fn kept(flaw: Flaw, freeze: Freeze, promise: impl Fn(&Fleet) -> bool) -> usize {
    (0..100).filter(|seed| promise(&Fleet::run(flaw, freeze, *seed))).count()
}

#[test]
fn a_cold_fleet_asks_once() {
    let once = |fleet: &Fleet| fleet.grants.len() == 1 && fleet.served_soon() == 8;
    assert_eq!(kept(Flaw::None, Freeze::Nowhere, once), 100);
    assert!(kept(Flaw::UnfencedLease, Freeze::Nowhere, once) < 100, "the mutant must be caught");
}

#[test]
fn the_lease_of_a_frozen_holder_ends() {
    let served = |fleet: &Fleet| fleet.served_soon() == 7;
    assert_eq!(kept(Flaw::None, Freeze::BeforeAsking, served), 100);
    assert_eq!(
        kept(Flaw::EndlessLease, Freeze::BeforeAsking, served),
        0,
        "the mutant must be caught"
    );
}

#[test]
fn a_holder_frozen_before_asking_does_not_ask_when_it_thaws() {
    let once = |fleet: &Fleet| fleet.grants.len() == 1;
    assert_eq!(kept(Flaw::None, Freeze::BeforeAsking, once), 100);
    assert_eq!(
        kept(Flaw::NoSecondLook, Freeze::BeforeAsking, once),
        0,
        "the mutant must be caught"
    );
}

#[test]
fn the_late_write_of_a_frozen_holder_loses() {
    let last = |fleet: &Fleet| fleet.grants.len() == 2 && fleet.holds_the_last_token();
    assert_eq!(kept(Flaw::None, Freeze::BeforePublishing, last), 100);
    assert_eq!(
        kept(Flaw::UnfencedToken, Freeze::BeforePublishing, last),
        0,
        "the mutant must be caught"
    );
}
