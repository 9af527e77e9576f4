use crate::{
    Timestamp,
    circuit::{Cause, CircuitState, Instance},
};

/// How many transitions a record keeps.
pub(super) const MOST_TRANSITIONS: usize = 8;

/// One change of state, for people who look at the circuit later. No rule uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// When the state changed, by the clock of the instance that changed it.
    pub at: Timestamp,
    /// The new state.
    pub to: CircuitState,
    /// Why the state changed. `None` if probes succeeded and closed the circuit.
    pub cause: Option<Cause>,
    /// The instance that wrote the change. If an operator closed the circuit, the operator's process.
    pub instance: Instance,
}

/// Returns the history with one more transition. Only the last eight are kept.
pub(super) fn followed_by(history: &[Transition], next: Transition) -> Vec<Transition> {
    let kept = history.len().min(MOST_TRANSITIONS - 1);
    let mut followed = Vec::with_capacity(kept + 1);
    followed.extend_from_slice(history.get(history.len() - kept..).unwrap_or_default());
    followed.push(next);
    followed
}

/// The stored form: a list of `[at, to, cause, instance]`, oldest first. `to` and `cause` are one letter
/// each. The first `at` is a time, and each later one is the number of milliseconds since the transition
/// before it. With full names and times the list would be twice as long.
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

    /// A history of an unknown form is read as an empty one. It is only shown to people, so it must not make
    /// the record corrupt.
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
            // The state in a record never changes for one of these causes.
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
