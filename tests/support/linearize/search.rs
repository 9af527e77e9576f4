use std::collections::HashSet;
use std::fmt;

use funcify_core::register::WriteId;

use super::{Answer, Carried, MOST, Operation};

/// The register's content: the id of a write, or nothing.
type State = Option<WriteId>;

/// No order explains the history. This is the longest prefix of one, and the operations that cannot follow.
#[derive(Debug)]
pub(crate) struct Stuck {
    placed: Vec<Operation>,
    left: Vec<Operation>,
}

/// Searches for an order of the operations on one register that explains every answer.
///
/// It searches depth first. An operation may come next if it was called before any other unplaced
/// operation returned. No set of placed operations with the same state is visited twice. (Wing and
/// Gong, *Testing and verifying concurrent objects*, 1993; the cache of visited configurations is from
/// Lowe, *Testing for linearizability*, 2017.)
pub(crate) fn search(operations: &[Operation]) -> Result<(), Stuck> {
    assert!(operations.len() <= MOST, "{} operations, at most {MOST}", operations.len());
    let mut search =
        Search { operations, seen: HashSet::new(), order: Vec::new(), best: Vec::new() };
    if search.place_next(0, None) { Ok(()) } else { Err(search.stuck()) }
}

struct Search<'a> {
    operations: &'a [Operation],
    seen: HashSet<(u128, State)>,
    order: Vec<usize>,
    best: Vec<usize>,
}

impl Search<'_> {
    /// `placed` is a set of operations, one bit each.
    fn place_next(&mut self, placed: u128, state: State) -> bool {
        let unplaced =
            || self.operations.iter().enumerate().filter(|(at, _)| placed >> at & 1 == 0);
        let returned = unplaced().filter(|(_, operation)| !operation.is_open());
        let Some(horizon) = returned.map(|(_, operation)| operation.returned).min() else {
            return true;
        };
        if self.order.len() > self.best.len() {
            self.best.clone_from(&self.order);
        }
        if !self.seen.insert((placed, state)) {
            return false;
        }
        let next: Vec<(usize, State)> = unplaced()
            .filter(|(_, operation)| operation.called < horizon)
            .filter_map(|(at, operation)| Some((at, operation.answer.after(state)?)))
            .collect();
        for (at, after) in next {
            self.order.push(at);
            if self.place_next(placed | 1 << at, after) {
                return true;
            }
            self.order.pop();
        }
        false
    }

    fn stuck(self) -> Stuck {
        let placed = self.best.iter().map(|at| self.operations[*at].clone()).collect();
        let is_left = |at: &usize| !self.best.contains(at);
        let left = (0..self.operations.len()).filter(is_left);
        Stuck { placed, left: left.map(|at| self.operations[at].clone()).collect() }
    }
}

impl Operation {
    /// Whether it may take effect at any time after its call, or never.
    fn is_open(&self) -> bool {
        matches!(self.answer, Answer::Unknown { .. })
    }
}

impl Answer {
    /// The state after an operation that gives this answer in `state`. `None` if it cannot give it.
    fn after(self, state: State) -> Option<State> {
        match self {
            Self::Read { found } => (found == state).then_some(state),
            Self::Done { expected, id } => (expected == state).then_some(Some(id)),
            Self::Conflict { expected, id, current } => {
                let carried = current == Carried::Anything || current == Carried::Exactly(state);
                (expected != state && carried && state != Some(id)).then_some(state)
            }
            // One that takes no effect need not be placed.
            Self::Unknown { expected, id } => (expected == state).then_some(Some(id)),
        }
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "no order explains these answers; one can begin so:")?;
        for operation in &self.placed {
            writeln!(f, "  {operation}")?;
        }
        writeln!(f, "after which nothing fits of")?;
        for operation in &self.left {
            writeln!(f, "  {operation}")?;
        }
        Ok(())
    }
}
