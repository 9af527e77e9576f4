//! The laws, and the functions that watch them.

use funcify_core::engine::KeyStatus;
use stateright::Property;

use super::{
    fleet::Fleet,
    state::{Answer, Execution, Seconds, State, Step, Write},
};

pub(super) const ONCE: &str = "I1: one execution, unless a claim ended first";
pub(super) const ONE_ANSWER: &str = "I2: all callers get one answer";
pub(super) const KEPT: &str = "I3: an answer is not replaced before it expires";
pub(super) const FENCED: &str = "I4: a claim that was taken over neither completes nor releases";
pub(super) const OWN_PAYLOAD: &str = "I5: another payload never gets the answer";
pub(super) const FREE_AGAIN: &str = "I6: every caller can get an answer from every state";
pub(super) const HONEST: &str = "an honest duplicate is not refused";
pub(super) const SCOPED: &str = "nobody gets the answer of another caller";
pub(super) const GREATER_FENCE: &str = "every claim has a greater fence";

const WATCHED: [&str; 8] =
    [ONCE, ONE_ANSWER, KEPT, FENCED, OWN_PAYLOAD, HONEST, SCOPED, GREATER_FENCE];

pub(super) fn properties() -> Vec<Property<Fleet>> {
    fn keeps<const N: usize>(_: &Fleet, state: &State) -> bool {
        state.broken != WATCHED.get(N).copied()
    }
    fn any(state: &State, is_it: impl Fn(&Step) -> bool) -> bool {
        state.callers.iter().any(is_it)
    }
    vec![
        Property::always(ONCE, keeps::<0>),
        Property::always(ONE_ANSWER, keeps::<1>),
        Property::always(KEPT, keeps::<2>),
        Property::always(FENCED, keeps::<3>),
        Property::always(OWN_PAYLOAD, keeps::<4>),
        Property::always(HONEST, keeps::<5>),
        Property::always(SCOPED, keeps::<6>),
        Property::always(GREATER_FENCE, keeps::<7>),
        Property::sometimes("a claim is taken over", |_, state: &State| {
            state.store.iter().flatten().any(|(_, record)| record.attempt == 2)
        }),
        Property::sometimes("all get the answer", |_, state: &State| {
            state.callers.iter().all(|step| matches!(step, Step::Answered(_)))
        }),
        Property::sometimes("another payload is refused", |_, state: &State| {
            any(state, |step| matches!(step, Step::Mismatched))
        }),
        Property::sometimes("an answer expires and the work is done again", |_, state: &State| {
            let stored = state.store.iter().flatten();
            let mut again = stored.filter(|(_, record)| record.since > 0 && record.attempt == 1);
            again.any(|(_, record)| record.status == KeyStatus::Completed)
                && any(state, |step| matches!(step, Step::Answered(answer) if answer.fence == 0))
        }),
    ]
}

/// Checks a write that is about to replace what the store holds.
pub(super) fn watch_write(state: &mut State, write: &Write, caller: Option<usize>, fleet: &Fleet) {
    let stored = state.store[write.name].as_ref().map(|(_, record)| record.clone());
    let is_claim = write.record.status == KeyStatus::InProgress;
    if let Some(stored) = &stored {
        let latest = state.now + fleet.latest_clock();
        if stored.status == KeyStatus::Completed && latest < stored.until {
            state.breaks(KEPT);
        }
        let is_own = stored.status == KeyStatus::InProgress && stored.fence == write.record.fence;
        if !is_claim && !is_own {
            state.breaks(FENCED);
        }
        if is_claim && write.record.fence <= stored.fence {
            state.breaks(GREATER_FENCE);
        }
    }
    let seen = &mut state.seen[write.name];
    match write.record.status {
        KeyStatus::InProgress => {
            seen.answer = None;
        }
        // Another caller's clock may be ahead of the clock of the caller that completed.
        KeyStatus::Completed => {
            let ends = write.record.until - fleet.latest_clock();
            seen.executions.retain(|one| one.caller.is_none() || one.caller != caller);
            seen.executions.push(Execution { caller: None, ends });
        }
        KeyStatus::Released => {}
    }
}

pub(super) fn begins(state: &mut State, name: usize, caller: usize, ends: Seconds, judged: bool) {
    let (now, seen) = (state.now, &mut state.seen[name]);
    seen.executions.retain(|one| now < one.ends);
    let is_once = seen.executions.len() <= usize::from(seen.losses);
    seen.executions.push(Execution { caller: Some(caller), ends });
    seen.executions.sort();
    if !is_once && judged {
        state.breaks(ONCE);
    }
}

/// Notes that the execution of this caller ended without an answer.
pub(super) fn ended(state: &mut State, caller: usize) {
    for seen in &mut state.seen {
        seen.executions.retain(|one| one.caller != Some(caller));
    }
}

pub(super) fn answered(state: &mut State, name: usize, answer: Answer, payload: u8, caller: u8) {
    if answer.payload != payload {
        state.breaks(OWN_PAYLOAD);
    }
    if answer.caller != caller {
        state.breaks(SCOPED);
    }
    let first = *state.seen[name].answer.get_or_insert(answer);
    if first != answer {
        state.breaks(ONE_ANSWER);
    }
}
