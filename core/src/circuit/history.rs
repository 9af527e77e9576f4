use crate::{
    Timestamp,
    circuit::{Cause, CircuitState, Instance},
};

/// How many transitions a record keeps.
pub(super) const MOST_TRANSITIONS: usize = 8;

/// One change of state, for whoever looks at the circuit later. No rule looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// When the state changed, by the clock of the instance that changed it.
    pub at: Timestamp,
    /// The new state.
    pub to: CircuitState,
    /// Why. None if probes succeeded and closed the circuit.
    pub cause: Option<Cause>,
    /// The instance that wrote the change; for a circuit that an operator closed, the operator.
    pub instance: Instance,
}

/// The history of a record and one transition more: the last eight.
pub(super) fn followed_by(history: &[Transition], next: Transition) -> Vec<Transition> {
    let kept = history.len().min(MOST_TRANSITIONS - 1);
    let mut followed = Vec::with_capacity(kept + 1);
    followed.extend_from_slice(history.get(history.len() - kept..).unwrap_or_default());
    followed.push(next);
    followed
}

/// The stored form: `[at, to, cause, instance]`, oldest first, with one letter for the state and one for
/// the cause. The first `at` is a time; each later one counts the milliseconds since the one before. Full
/// names and times would take twice the room.
pub(super) mod list {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{MOST_TRANSITIONS, Transition};
    use crate::{
        Timestamp,
        circuit::{Cause, CircuitState, Instance},
    };

    pub(in super::super) fn serialize<S: Serializer>(
        history: &[Transition],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let mut before = 0;
        to.collect_seq(history.iter().map(|transition| {
            let at = transition.at.as_millis();
            let since = at.wrapping_sub(std::mem::replace(&mut before, at));
            (since, state(transition.to), cause(transition.cause), transition.instance)
        }))
    }

    /// What is only there to be shown must not make the record corrupt: a history of another form counts
    /// as none.
    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Transition>, D::Error> {
        let stored = serde_json::Value::deserialize(from)?;
        Ok(Vec::<(i64, Letter, Letter, Instance)>::deserialize(stored).map_or_else(
            |_| Vec::new(),
            |stored| {
                let mut at = 0_i64;
                let transitions = stored.iter().map(|(since, to, cause, instance)| {
                    at = at.wrapping_add(*since);
                    let (at, instance) = (Timestamp::from_millis(at), *instance);
                    let cause = cause_of(&cause.0);
                    Some(Transition { at, to: state_of(&to.0)?, cause, instance })
                });
                let mut history = transitions.collect::<Option<Vec<_>>>().unwrap_or_default();
                history.drain(..history.len().saturating_sub(MOST_TRANSITIONS));
                history
            },
        ))
    }

    #[derive(Deserialize)]
    struct Letter(String);

    fn state(state: CircuitState) -> &'static str {
        match state {
            CircuitState::Closed => "c",
            CircuitState::Open => "o",
            CircuitState::HalfOpen => "h",
        }
    }

    fn state_of(letter: &str) -> Option<CircuitState> {
        match letter {
            "c" => Some(CircuitState::Closed),
            "o" => Some(CircuitState::Open),
            "h" => Some(CircuitState::HalfOpen),
            _ => None,
        }
    }

    fn cause(cause: Option<Cause>) -> &'static str {
        match cause {
            None => "",
            Some(Cause::Failures) => "f",
            Some(Cause::FailureRate) => "r",
            Some(Cause::SlowCalls) => "s",
            Some(Cause::ProbeFailed) => "p",
            Some(Cause::Override) => "o",
            // No record of the fleet changes its state for one of these.
            Some(
                Cause::Probing
                | Cause::InstanceLocal
                | Cause::StoreDown
                | Cause::Stale
                | Cause::Unknown,
            ) => "?",
        }
    }

    fn cause_of(letter: &str) -> Option<Cause> {
        match letter {
            "" => None,
            "f" => Some(Cause::Failures),
            "r" => Some(Cause::FailureRate),
            "s" => Some(Cause::SlowCalls),
            "p" => Some(Cause::ProbeFailed),
            "o" => Some(Cause::Override),
            _ => Some(Cause::Unknown),
        }
    }
}
