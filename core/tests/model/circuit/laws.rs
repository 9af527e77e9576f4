//! The laws, and the functions that watch them.

use funcify_core::circuit::{CircuitState, OverrideMode};
use stateright::Property;

use super::{
    fleet::Fleet,
    record::{Record, TTL},
    state::{Instance, Permit, Seen, Snapshot, State, Step, Write},
};

pub(crate) const FEW_LEASES: &str = "at most P unexpired leases an epoch";
pub(crate) const FENCED: &str = "only the current epoch and a standing lease change anything";
pub(crate) const EPOCH_BY_ONE: &str = "the epoch rises by one with each change of state";
pub(crate) const NONE_LOST: &str = "a failure that was counted stays while its epoch and window do";
pub(crate) const COUNTED_ONCE: &str = "a result counts once";
pub(crate) const FRESH: &str = "nothing is admitted by a snapshot older than its bound";
pub(crate) const OPEN_LONG_ENOUGH: &str = "no probe before the open duration is over";
pub(crate) const NEUTRAL: &str = "a neutral result writes nothing";
pub(crate) const REFUSAL: &str = "a refusal writes nothing";
pub(crate) const PRIVATE: &str = "what was decided without the store is never written to it";

pub(crate) fn properties() -> Vec<Property<Fleet>> {
    fn keeps<const N: usize>(_: &Fleet, state: &State) -> bool {
        state.seen.broken != LAWS.get(N).copied()
    }
    vec![
        Property::always(FEW_LEASES, few_leases),
        Property::always(FENCED, keeps::<0>),
        Property::always(EPOCH_BY_ONE, keeps::<1>),
        Property::always(NONE_LOST, keeps::<2>),
        Property::always(COUNTED_ONCE, keeps::<3>),
        Property::always(FRESH, keeps::<4>),
        Property::always(OPEN_LONG_ENOUGH, keeps::<5>),
        Property::always(NEUTRAL, keeps::<6>),
        Property::always(REFUSAL, keeps::<7>),
        Property::always(PRIVATE, keeps::<8>),
        Property::sometimes("opens", |_, state: &State| state.stored().state == CircuitState::Open),
        Property::sometimes("closes again", |_, state: &State| {
            state.stored().state == CircuitState::Closed && state.stored().epoch.number >= 3
        }),
        Property::sometimes("two probes at once", |_, state: &State| {
            state.stored().leases.len() == 2
        }),
        Property::sometimes("a result comes too late", |_, state: &State| {
            let late = |permit: &Permit| !permit.private && !permit.stands(&state.stored());
            let calls = |step: &Step| matches!(step, Step::Calling(permit) if late(permit));
            state.instances.iter().any(|instance| calls(&instance.step))
        }),
        Property::sometimes("opens by itself", |_, state: &State| {
            let opened = |s: &Snapshot| s.private && s.record.state == CircuitState::Open;
            let private = |instance: &Instance| instance.snapshot.as_ref().is_some_and(opened);
            state.stored().epoch.number == 0 && state.instances.iter().any(private)
        }),
        Property::sometimes("closes again by itself", |_, state: &State| {
            let closed = |s: &Snapshot| s.private && s.record.epoch.number >= 3;
            let private = |instance: &Instance| instance.snapshot.as_ref().is_some_and(closed);
            state.stored().epoch.number == 0 && state.instances.iter().any(private)
        }),
    ]
}

const LAWS: [&str; 9] = [
    FENCED,
    EPOCH_BY_ONE,
    NONE_LOST,
    COUNTED_ONCE,
    FRESH,
    OPEN_LONG_ENOUGH,
    NEUTRAL,
    REFUSAL,
    PRIVATE,
];

/// Whether the record has few enough leases, and few enough probes are under way. After an eviction the
/// calls are not counted: it removes the leases, and the next half-open state may begin in the same tick as
/// the one before it.
fn few_leases(fleet: &Fleet, state: &State) -> bool {
    let most = usize::try_from(fleet.bounds.probes).unwrap();
    let record = state.stored();
    let unexpired = record.leases.iter().filter(|lease| lease.left > 0).count();
    let probes = |step: &Step| match step {
        Step::Calling(permit) => {
            !permit.private
                && permit.epoch == record.epoch
                && permit.lease.is_some_and(|lease| lease.left > 0)
        }
        Step::Idle | Step::Refreshing { .. } | Step::Writing { .. } => false,
    };
    let calls = state.instances.iter().filter(|instance| probes(&instance.step)).count();
    let private = state.instances.iter().filter_map(|instance| instance.snapshot.as_ref());
    let mut private = private.filter(|snapshot| snapshot.private);
    let few_private =
        private.all(|s| s.record.leases.iter().filter(|l| l.left > 0).count() <= most);
    let evicted = state.left.evictions < fleet.bounds.mishaps.evictions;
    unexpired <= most && few_private && (evicted || calls <= most)
}

/// Checks a write that is about to replace what the store holds.
pub(crate) fn watch(state: &mut State, write: &Write) {
    let (before, after) = (state.stored(), &write.record);
    let changes = before.state != after.state;
    let breaks = |law: &'static str| Some(law);
    let mut broken = None;
    if write.fence.is_some_and(|(epoch, stood)| !stood || epoch != before.epoch) {
        broken = broken.or(breaks(FENCED));
    }
    if after.epoch.number != before.epoch.number + u8::from(changes)
        || (!changes && after.epoch != before.epoch)
    {
        broken = broken.or(breaks(EPOCH_BY_ONE));
    }
    if before.state == CircuitState::Open && changes && before.open_for > 0 {
        broken = broken.or(breaks(OPEN_LONG_ENOUGH));
    }
    if after.epoch != before.epoch {
        state.seen.counted.clear();
    } else if after.state == CircuitState::Closed {
        state.seen.counted.extend(write.failure);
    }
    if !state.seen.counted_in(&after.failures) {
        broken = broken.or(breaks(NONE_LOST));
    }
    state.seen.not_closed_for = match after.state {
        CircuitState::Closed => None,
        CircuitState::Open | CircuitState::HalfOpen => state.seen.not_closed_for.or(Some(0)),
    };
    state.seen.broken = state.seen.broken.or(broken);
}

/// Checks a change of a private record, which an instance keeps while its store is away.
pub(crate) fn watch_private(state: &mut State, before: &Record, after: &Record) {
    let changes = before.state != after.state;
    let broken = if after.epoch.number != before.epoch.number + u8::from(changes) {
        Some(EPOCH_BY_ONE)
    } else if before.state == CircuitState::Open && changes && before.open_for > 0 {
        Some(OPEN_LONG_ENOUGH)
    } else {
        None
    };
    state.seen.broken = state.seen.broken.or(broken);
}

/// Checks a call that was admitted by a snapshot that the instance already had. (A call that refreshed the
/// snapshot may be frozen between the refresh and the decision. That is the same as a freeze right after the
/// decision.)
pub(crate) fn watch_admission(state: &mut State, place: usize) {
    let instance = &state.instances[place];
    let Step::Calling(Permit { lease: None, private: false, .. }) = instance.step else { return };
    let overridden = instance.snapshot.as_ref().and_then(|snapshot| snapshot.record.overridden);
    let disabled = matches!(overridden, Some((OverrideMode::Disabled, _)));
    if !disabled && state.seen.not_closed_for == Some(TTL) {
        state.seen.broken = state.seen.broken.or(Some(FRESH));
    }
}

impl Seen {
    pub(crate) fn forgets(&mut self) {
        self.counted.clear();
        self.not_closed_for = None;
    }

    fn counted_in(&self, failures: &[u8]) -> bool {
        let of = |ages: &[u8], ago: u8| ages.iter().filter(|other| **other == ago).count();
        self.counted.iter().all(|ago| of(&self.counted, *ago) <= of(failures, *ago))
    }
}
