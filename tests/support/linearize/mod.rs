//! Checks whether a register is linearizable, by recorded histories of concurrent reads and swaps.
//!
//! [`check`] lets a few clients read and swap a few records at random, and records when each operation
//! was called and when it returned. Then it searches for an order in which a single register would
//! have given the same answers ([`search`]). A write of unknown outcome may take effect at any time
//! after its call, or never. A refused write is not part of the order: if its version is ever read, no
//! order exists.

mod record;
mod search;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use funcify_core::register::{RecordKey, Register, WriteId};

pub(crate) use search::{Stuck, search};

/// The largest number of operations on one record that the search takes.
pub(crate) const MOST: usize = 128;

/// The size and the randomness of one history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HistoryPlan {
    pub(crate) clients: usize,
    /// How many operations each client makes.
    pub(crate) operations: usize,
    pub(crate) keys: usize,
    pub(crate) seed: u64,
    /// Whether the store's documentation says that reads may be stale. Then only the swaps are checked,
    /// without what a conflict carries.
    pub(crate) stale_reads: bool,
    /// Whether the records are those of idempotency, and the writes follow from what was read: a claim,
    /// an answer, a release.
    pub(crate) idempotency: bool,
}

/// One operation on one record.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) client: usize,
    /// Positions in the order of all calls and returns.
    pub(crate) called: u64,
    pub(crate) returned: u64,
    pub(crate) answer: Answer,
}

/// The request and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Read { found: Option<WriteId> },
    Done { expected: Option<WriteId>, id: WriteId },
    Conflict { expected: Option<WriteId>, id: WriteId, current: Carried },
    Unknown { expected: Option<WriteId>, id: WriteId },
}

/// What a conflict carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    Exactly(Option<WriteId>),
    /// Something that may be stale, and is not checked.
    Anything,
}

/// The operations of one run.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) records: BTreeMap<RecordKey, Vec<Operation>>,
    /// How many reads failed every time.
    pub(crate) dropped_reads: usize,
}

/// The result for one history.
#[derive(Debug)]
pub(crate) enum Verdict {
    Linearizable(Counts),
    NotLinearizable(RecordKey, Stuck),
    /// No violation was found, but the history is too weak to prove anything.
    #[expect(dead_code, reason = "an assertion that fails shows it")]
    DoesNotCount(String),
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) operations: usize,
    pub(crate) done: usize,
    pub(crate) unknown: usize,
}

/// Records one history on `stores`, which are dealt out to the clients in turn, and checks it.
pub(crate) async fn check(stores: &[Arc<dyn Register>], plan: HistoryPlan) -> Verdict {
    judge(&record::record(stores, plan).await)
}

/// A history counts only if it has at least one applied write, at most a tenth of unknown outcomes and
/// no dropped read. Without that rule a store whose table does not exist is "linearizable".
pub(crate) fn judge(history: &History) -> Verdict {
    for (key, operations) in &history.records {
        if let Err(stuck) = search(operations) {
            return Verdict::NotLinearizable(key.clone(), stuck);
        }
    }
    let counts = Counts::of(history);
    if counts.done == 0 {
        Verdict::DoesNotCount("no write was done".to_owned())
    } else if counts.unknown * 10 > counts.operations {
        let Counts { operations, unknown, .. } = counts;
        Verdict::DoesNotCount(format!("{unknown} of {operations} outcomes are unknown"))
    } else if history.dropped_reads > 0 {
        Verdict::DoesNotCount(format!("{} reads were dropped", history.dropped_reads))
    } else {
        Verdict::Linearizable(counts)
    }
}

impl Counts {
    fn of(history: &History) -> Self {
        let mut counts = Self::default();
        for operation in history.records.values().flatten() {
            counts.operations += 1;
            counts.done += usize::from(matches!(operation.answer, Answer::Done { .. }));
            counts.unknown += usize::from(matches!(operation.answer, Answer::Unknown { .. }));
        }
        counts
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, called, returned, answer } = self;
        write!(f, "client {client} from {called} to {returned}: ")?;
        match answer {
            Answer::Read { found } => write!(f, "read {}", brief(*found)),
            Answer::Done { expected, id } => {
                write!(f, "{} on {}: done", brief(Some(*id)), brief(*expected))
            }
            Answer::Conflict { expected, id, current } => {
                write!(f, "{} on {}: conflict", brief(Some(*id)), brief(*expected))?;
                match current {
                    Carried::Exactly(current) => write!(f, " with {}", brief(*current)),
                    Carried::Anything => Ok(()),
                }
            }
            Answer::Unknown { expected, id } => {
                write!(f, "{} on {}: unknown", brief(Some(*id)), brief(*expected))
            }
        }
    }
}

/// Enough of an id to distinguish it within a history.
fn brief(id: Option<WriteId>) -> String {
    id.map_or_else(|| "nothing".to_owned(), |id| id.to_string().chars().take(8).collect())
}
