//! Clocks that are wrong, records that were planted, and processes that read once and die: how long
//! an honest process is kept from its token or its call, and for how long a token is used after its
//! end.
//!
//! Complete within the bounds that are printed. One clock is ahead and one is behind, by more than every
//! constant of the rules; what their processes write, they write whatever the record says, as if they
//! had not read it. Time passes in steps of ten seconds and in jumps to where a stored time becomes
//! credible. Each look at the record is that of a process that reads it for the first time.

use std::time::{Duration, Instant};

use funcify_core::{
    Timestamp,
    circuit::{CallOutcome, CircuitPolicy, CircuitRecord, CircuitState, CountRule},
    engine::{
        Asker, Decision, Lease, Minted, ProviderFailure, RememberedFailure,
        circuit::{Admission, Instance, Permit, Probe, Report, admit, apply, credible, lease},
        decide,
    },
    register::WriteId,
    token::{AccessToken, TokenPolicy, TokenRecord},
};
use stateright::{Checker, HasDiscoveries, Model, Property};

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const DIGEST: &str = "0123456789abcdef0123456789abcdef";
const LIFETIME: i64 = 3_600;
/// How often time passes in steps of ten seconds while somebody waits, and how often it jumps.
const STEPS: u8 = 8;
const JUMPS: u8 = 2;
/// How often an honest process writes.
const WRITES: u8 = 2;

const WAITS: &str = "nobody waits for longer than the longest honest wait and a second";
const ENDS: &str = "no token is used for more than 30 s after its end";

/// The rule that reads stored times, and the mutants of it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    Credible,
    /// As of version 0.1: a time is lowered to the latest honest one, anew at each read.
    Lowered,
    /// Whatever is stored is believed.
    Believed,
    /// A process publishes by its own clock, whatever the provider's says.
    OwnClock,
}

#[derive(Clone, Copy, Debug)]
struct Clocks {
    rule: Rule,
    /// By how many seconds the one clock is ahead, and the other behind.
    wrong_by: i64,
}

/// What is in the store, and since when an honest process is kept waiting by this version of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    now: i64,
    record: String,
    waits_since: Option<i64>,
    /// The longest that somebody waited, and that a token was used after its end.
    waited: i64,
    late: i64,
    steps: u8,
    jumps: u8,
    writes: u8,
    deeds: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Step,
    Jump(i64),
    /// An honest process looks, and does what the rules say.
    Look(Look),
    /// A process whose clock is off by so many seconds writes.
    Deed(i64, Deed),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Succeeds,
    /// It takes what it may, and dies.
    Dies,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    TakesLease,
    Fails,
    Publishes,
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(START.as_millis() + seconds * 1_000)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl State {
    fn of(record: String) -> Self {
        Self {
            now: 0,
            record,
            waits_since: None,
            waited: 0,
            late: 0,
            steps: STEPS,
            jumps: JUMPS,
            writes: WRITES,
            // How often a process with a wrong clock writes.
            deeds: if crate::is_long() { 2 } else { 1 },
        }
    }

    /// An honest process may not go on now.
    fn waits(&mut self) {
        let since = *self.waits_since.get_or_insert(self.now);
        self.waited = self.waited.max(self.now - since);
    }

    fn goes_on(&mut self) {
        (self.waits_since, self.steps) = (None, STEPS);
    }

    fn writes(&mut self, record: String) {
        if self.record != record {
            self.record = record;
            self.goes_on();
        }
    }
}

/// What a model says of its subject: a token or a circuit.
trait Subject {
    const LONGEST: i64;

    fn planted(clocks: &Clocks) -> Vec<String>;
    fn look(clocks: &Clocks, state: &mut State, look: Look);
    fn deed(clocks: &Clocks, state: &State, by: i64, deed: Deed) -> String;
}

struct Fleet<S> {
    clocks: Clocks,
    subject: std::marker::PhantomData<S>,
}

impl<S: Subject> Model for Fleet<S> {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        S::planted(&self.clocks).into_iter().map(State::of).collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.writes > 0 {
            actions.extend([Action::Look(Look::Succeeds), Action::Look(Look::Dies)]);
        }
        if state.steps > 0 && state.waits_since.is_some() {
            actions.push(Action::Step);
        }
        if state.jumps > 0 && state.waits_since.is_none() {
            // To where what a wrong clock stored becomes credible, and to the end of a token.
            let by = self.clocks.wrong_by;
            actions.extend([by - 61, by - 30, by - 5, LIFETIME - 5].map(Action::Jump));
        }
        if state.deeds > 0 {
            for by in [self.clocks.wrong_by, -self.clocks.wrong_by] {
                let deeds = [Deed::TakesLease, Deed::Fails, Deed::Publishes];
                actions.extend(deeds.map(|deed| Action::Deed(by, deed)));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        match action {
            Action::Step => {
                next.steps -= 1;
                next.now += 10;
            }
            Action::Jump(by) if by <= 10 => return None,
            Action::Jump(by) => {
                next.jumps -= 1;
                next.now += by;
            }
            Action::Look(look) => {
                S::look(&self.clocks, &mut next, look);
                next.writes -= u8::from(next.record != last.record);
            }
            Action::Deed(by, deed) => {
                next.deeds -= 1;
                let record = S::deed(&self.clocks, &next, by, deed);
                next.writes(record);
            }
        }
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(WAITS, |_, state: &State| state.waited <= S::LONGEST),
            Property::always(ENDS, |_, state: &State| state.late <= 30),
        ]
    }
}

fn text(record: &impl serde::Serialize) -> String {
    serde_json::to_string(record).unwrap()
}

/// The token. Its text is its true end.
struct Token;

impl Token {
    fn minted(state: &State, by: i64, clocks: &Clocks) -> Minted {
        let dated = clocks.rule != Rule::OwnClock;
        Minted {
            token: AccessToken::from((state.now + LIFETIME).to_string()),
            token_type: "Bearer".to_owned(),
            scope: None,
            asked_at: at(state.now + by),
            issued_at: dated.then(|| at(state.now)),
            lifetime: seconds(LIFETIME.unsigned_abs()),
        }
    }

    fn record(state: &State) -> TokenRecord {
        serde_json::from_str(&state.record).unwrap()
    }

    /// What the rule makes of a record before `decide` looks at it.
    fn read(mut record: TokenRecord, clocks: &Clocks, now: Timestamp) -> TokenRecord {
        match clocks.rule {
            Rule::Credible | Rule::OwnClock => {}
            Rule::Lowered => {
                let ahead = record.minted_at.since(now);
                record.minted_at = record.minted_at.min(now);
                record.expires_at = record.expires_at - ahead;
                record.refresh_at = record.refresh_at - ahead;
                if let Some(lease) = &mut record.lease {
                    lease.until = lease.until.min(now + seconds(4));
                }
                if let Some(failure) = &mut record.failure {
                    failure.until = failure.until.min(now + seconds(60));
                }
            }
            Rule::Believed => {
                // As if every clock were right: nothing is further away than what a reader believes.
                let ahead = record.minted_at.since(now);
                record.minted_at = record.minted_at - ahead;
                let binds = |until: Timestamp| now < until;
                if let Some(lease) = &mut record.lease
                    && binds(lease.until)
                {
                    lease.until = now + seconds(1);
                }
                if let Some(failure) = &mut record.failure
                    && binds(failure.until)
                {
                    (failure.until, failure.pause) = (now + seconds(1), None);
                }
            }
        }
        record
    }
}

impl Subject for Token {
    const LONGEST: i64 = 61;

    fn planted(clocks: &Clocks) -> Vec<String> {
        let honest = TokenRecord { digest: DIGEST.to_owned(), ..TokenRecord::default() };
        let mut planted = vec![honest.clone()];
        for far in [at(clocks.wrong_by), at(clocks.wrong_by + 62), Timestamp::from_millis(i64::MAX)]
        {
            let until = far;
            let lease = Some(Lease { holder: WriteId::from_bits(9), until });
            let failure = |pause| {
                let code = "unavailable".to_owned();
                Some(RememberedFailure { until, pause, code, count: 1, cred: None })
            };
            planted.extend([
                TokenRecord { lease: lease.clone(), ..honest.clone() },
                TokenRecord { failure: failure(None), ..honest.clone() },
                TokenRecord { lease, failure: failure(Some(u64::MAX)), ..honest.clone() },
                TokenRecord { minted_at: far, refresh_at: far, expires_at: far, ..honest.clone() },
            ]);
        }
        planted.iter().map(text).collect()
    }

    fn look(clocks: &Clocks, state: &mut State, look: Look) {
        let (record, now, policy) = (Self::record(state), at(state.now), TokenPolicy::default());
        let asker = Asker {
            holder: WriteId::from_bits(1),
            digest: DIGEST,
            cred: None,
            watched: Duration::ZERO,
            patience: Duration::ZERO,
            rejected: None,
        };
        match decide(&Self::read(record, clocks, now), &asker, &policy, now, 1.0) {
            Decision::Use => {
                let end: i64 = Self::record(state).token.unwrap().expose().parse().unwrap();
                state.late = state.late.max(state.now - end);
                state.goes_on();
            }
            Decision::Take(leased) if look == Look::Dies => state.writes(text(&*leased)),
            Decision::Take(leased) => {
                let minted = Self::minted(state, 0, clocks);
                state.writes(text(&leased.published(&minted, &policy, false)));
                state.goes_on();
            }
            _ => state.waits(),
        }
    }

    fn deed(clocks: &Clocks, state: &State, by: i64, deed: Deed) -> String {
        let (record, now, policy) =
            (Self::record(state), at(state.now + by), TokenPolicy::default());
        let failure =
            |retry_after| ProviderFailure { code: "unavailable", cred: None, retry_after };
        text(&match deed {
            Deed::TakesLease => {
                let lease = Lease { holder: WriteId::from_bits(2), until: now + policy.lease };
                TokenRecord { lease: Some(lease), ..record }
            }
            Deed::Fails => record.failed(&failure(Some(seconds(60))), now, 0.0),
            Deed::Publishes => record.published(&Self::minted(state, by, clocks), &policy, false),
        })
    }
}

/// The circuit.
struct Circuit;

impl Circuit {
    fn policy() -> CircuitPolicy {
        let mut policy = CircuitPolicy::new(CountRule::new(1, seconds(60)));
        (policy.open_duration, policy.max_open_duration) = (seconds(20), seconds(40));
        policy.successes = 1;
        policy
    }

    fn record(state: &State) -> CircuitRecord {
        serde_json::from_str(&state.record).unwrap()
    }

    fn read(mut record: CircuitRecord, clocks: &Clocks, now: Timestamp) -> CircuitRecord {
        let policy = Self::policy();
        match clocks.rule {
            Rule::Credible | Rule::OwnClock => credible(record, &policy, now),
            Rule::Believed => record,
            Rule::Lowered => {
                let opened = record.changed_at.min(now);
                record.open_until = record.open_until.min(opened + policy.max_open_duration);
                for probe in &mut record.probes {
                    probe.until = probe.until.min(now + seconds(12));
                }
                record
            }
        }
    }

    fn reports(
        record: &CircuitRecord,
        probe: Option<Probe>,
        outcome: CallOutcome,
        now: Timestamp,
    ) -> Option<CircuitRecord> {
        let permit = Permit::of(record, probe);
        let report =
            Report { permit, outcome, slow: false, weight: 1, instance: Instance::new("i") };
        apply(record, &Self::policy(), &report, now, 1.0)
    }

    fn probe(id: u128, now: Timestamp) -> Probe {
        Probe { id: WriteId::from_bits(id), until: now + seconds(12) }
    }
}

impl Subject for Circuit {
    const LONGEST: i64 = 41;

    fn planted(clocks: &Clocks) -> Vec<String> {
        let mut planted = vec![CircuitRecord::default()];
        for far in [at(clocks.wrong_by), at(clocks.wrong_by + 62), Timestamp::from_millis(i64::MAX)]
        {
            for (state, changed_at) in [
                (CircuitState::Open, far),
                (CircuitState::Open, at(0)),
                (CircuitState::HalfOpen, far),
            ] {
                let mut record = CircuitRecord::default();
                (record.state, record.changed_at, record.open_until) = (state, changed_at, far);
                record.probes = vec![Probe { id: WriteId::from_bits(9), until: far }];
                planted.push(record);
            }
        }
        planted.iter().map(text).collect()
    }

    fn look(clocks: &Clocks, state: &mut State, look: Look) {
        let (policy, now) = (Self::policy(), at(state.now));
        let record = Self::read(Self::record(state), clocks, now);
        match admit(&record, &policy, now) {
            Admission::Refused { .. } => state.waits(),
            Admission::Admitted => state.goes_on(),
            Admission::IfLeased => {
                let probe = Self::probe(1, now);
                let Some(round) = lease(&record, &policy, probe, now) else { return state.waits() };
                let next = match look {
                    Look::Dies => Some(round),
                    Look::Succeeds => Self::reports(&round, Some(probe), CallOutcome::Success, now),
                };
                state.writes(text(&next.unwrap()));
            }
        }
    }

    fn deed(clocks: &Clocks, state: &State, by: i64, deed: Deed) -> String {
        let (policy, now) = (Self::policy(), at(state.now + by));
        let record = Self::read(Self::record(state), clocks, now);
        let next = match deed {
            Deed::TakesLease => lease(&record, &policy, Self::probe(2, now), now),
            Deed::Fails => Self::reports(&record, None, CallOutcome::Failure, now),
            Deed::Publishes => {
                lease(&record, &policy, Self::probe(3, now), now).and_then(|round| {
                    Self::reports(&round, Some(Self::probe(3, now)), CallOutcome::Success, now)
                })
            }
        };
        text(&next.unwrap_or(record))
    }
}

/// The laws that are broken, and the longest wait and the latest use that were seen.
fn explore<S: Subject + Send + Sync + 'static>(
    name: &str,
    rule: Rule,
    wrong_by: i64,
) -> Vec<&'static str> {
    let start = Instant::now();
    let fleet = Fleet::<S> { clocks: Clocks { rule, wrong_by }, subject: std::marker::PhantomData };
    let checker = fleet.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    println!(
        "{name}, clocks wrong by {wrong_by} s, {rule:?}: {} states in {:.1?}",
        checker.unique_state_count(),
        start.elapsed()
    );
    checker.discoveries().into_keys().collect()
}

#[test]
fn no_wrong_clock_and_no_planted_record_keeps_an_honest_process_waiting() {
    for wrong_by in [30, 300, 3_600, 86_400] {
        assert_eq!(explore::<Token>("token", Rule::Credible, wrong_by), [""; 0], "{wrong_by} s");
        assert_eq!(
            explore::<Circuit>("circuit", Rule::Credible, wrong_by),
            [""; 0],
            "{wrong_by} s"
        );
    }
}

#[test]
fn each_mutant_of_the_rule_of_stored_times_breaks_its_law() {
    for (rule, law) in [(Rule::Lowered, WAITS), (Rule::Believed, WAITS), (Rule::OwnClock, ENDS)] {
        let broken = explore::<Token>("token", rule, 300);
        assert!(broken.contains(&law), "{rule:?} breaks only {broken:?}");
    }
    for rule in [Rule::Lowered, Rule::Believed] {
        let broken = explore::<Circuit>("circuit", rule, 300);
        assert!(broken.contains(&WAITS), "{rule:?} breaks only {broken:?}");
    }
}
