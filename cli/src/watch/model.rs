//! The data that the screen shows.

use std::collections::{HashMap, VecDeque};

use funcify_core::{Timestamp, register::RecordName};

use crate::circuit::{read::Circuit, steer::Steered, text};

/// The result of one read of the store: the circuits, or why it failed.
pub(crate) type Seen = Result<Vec<Circuit>, String>;

/// How many percentages are kept for each circuit, one for each read.
pub(super) const SHARES: usize = 30;

pub(super) struct Model {
    pub(super) backend: &'static str,
    pub(super) circuits: Vec<Circuit>,
    shares: HashMap<RecordName, VecDeque<u8>>,
    pub(super) chosen: usize,
    /// The change that the user is asked to confirm.
    pub(super) asked: Option<Steered>,
    pub(super) message: String,
    /// Since when the store does not answer, and why.
    pub(super) down: Option<(Timestamp, String)>,
    /// When the store answered last.
    pub(super) seen_at: Option<Timestamp>,
}

impl Model {
    pub(super) fn new(backend: &'static str) -> Self {
        Self {
            backend,
            circuits: Vec::new(),
            shares: HashMap::new(),
            chosen: 0,
            asked: None,
            message: String::new(),
            down: None,
            seen_at: None,
        }
    }

    /// Takes the result of a read. While the store is down, the circuits stay as they were read last.
    pub(super) fn sees(&mut self, sight: Seen, now: Timestamp) {
        match sight {
            Ok(circuits) => {
                let chosen = self.chosen_name().cloned();
                for circuit in &circuits {
                    let shares = self.shares.entry(circuit.name.clone()).or_default();
                    shares.push_back(text::share(circuit, now));
                    shares.drain(..shares.len().saturating_sub(SHARES));
                }
                let place =
                    circuits.iter().position(|circuit| Some(&circuit.name) == chosen.as_ref());
                self.chosen = place.unwrap_or_default();
                self.circuits = circuits;
                (self.down, self.seen_at) = (None, Some(now));
            }
            Err(error) => {
                let since = self.down.take().map_or(now, |(since, _)| since);
                self.down = Some((since, error));
            }
        }
    }

    pub(super) fn shares(&self, name: &RecordName) -> impl Iterator<Item = u8> {
        self.shares.get(name).into_iter().flatten().copied()
    }

    pub(super) fn chosen_name(&self) -> Option<&RecordName> {
        self.circuits.get(self.chosen).map(|circuit| &circuit.name)
    }

    pub(super) fn moves(&mut self, by: isize) {
        let last = self.circuits.len().saturating_sub(1);
        self.chosen = self.chosen.saturating_add_signed(by).min(last);
    }
}

#[cfg(test)]
mod tests {
    use funcify_core::circuit::CircuitRecord;

    use super::*;

    fn circuit(name: &str) -> Circuit {
        let record = CircuitRecord::default();
        Circuit { name: name.parse().unwrap(), record, is_stored: true, corruption: None }
    }

    #[test]
    fn while_the_store_is_down_the_last_sight_stays_and_the_choice_follows_its_circuit() {
        let at = |second: i64| Timestamp::from_millis(second * 1_000);
        let mut model = Model::new("redis");
        model.sees(Ok(vec![circuit("a"), circuit("c")]), at(1));
        model.moves(1);
        model.sees(Ok(vec![circuit("a"), circuit("b"), circuit("c")]), at(2));
        assert_eq!(model.chosen_name().unwrap().as_ref(), "c");
        model.sees(Err("one".to_owned()), at(3));
        model.sees(Err("two".to_owned()), at(4));
        assert_eq!(model.down, Some((at(3), "two".to_owned())));
        assert_eq!((model.circuits.len(), model.seen_at), (3, Some(at(2))));
        model.sees(Ok(vec![circuit("a")]), at(5));
        assert_eq!((model.down.is_none(), model.chosen), (true, 0));
        model.moves(-1);
        model.moves(9);
        assert_eq!(model.chosen, 0);
        for _ in 0..100 {
            model.sees(Ok(vec![circuit("a")]), at(6));
        }
        assert_eq!(model.shares(&"a".parse().unwrap()).count(), SHARES);
    }
}
