//! Is a register linearizable? Judged over recorded histories of concurrent reads and swaps.
//!
//! [`check`] lets a few clients read and swap a few records at random, notes when each operation was
//! called and when it returned, and searches for an order in which a single register could have
//! answered the same ([`search`]). A write of unknown outcome stays open: it may take effect at any
//! time after its call, or never. A write that was refused has no place in the order: if its version
//! is ever seen, no order exists.

mod record;
mod search;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use funcify_core::register::{RecordKey, Register, WriteId};

pub(crate) use search::{Stuck, search};

/// The most operations on one record whose order can be searched for.
pub(crate) const MOST: usize = 128;

/// What one history is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HistoryPlan {
    pub(crate) clients: usize,
    /// How many each client does.
    pub(crate) operations: usize,
    pub(crate) keys: usize,
    pub(crate) seed: u64,
    /// Whether the store's documentation says that reads may be stale: then only the swaps are
    /// judged, and what a conflict carries is not.
    pub(crate) stale_reads: bool,
}

/// One operation on one record.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) client: usize,
    /// Places in the order of all calls and returns.
    pub(crate) called: u64,
    pub(crate) returned: u64,
    pub(crate) answer: Answer,
}

/// What was asked and what was answered.
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
    /// Nothing that could be judged: it may be stale.
    Anything,
}

/// What a client did and what came of it.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) records: BTreeMap<RecordKey, Vec<Operation>>,
    /// Reads that were given up.
    pub(crate) dropped_reads: usize,
}

/// Every history ends as one of these.
#[derive(Debug)]
pub(crate) enum Verdict {
    Linearizable(Counts),
    NotLinearizable(RecordKey, Stuck),
    /// It broke nothing and proves nothing.
    #[expect(dead_code, reason = "an assertion that fails shows it")]
    DoesNotCount(String),
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) operations: usize,
    pub(crate) done: usize,
    pub(crate) unknown: usize,
}

/// Records one history on `stores`, which the clients take in turn, and judges it.
pub(crate) async fn check(stores: &[Arc<dyn Register>], plan: HistoryPlan) -> Verdict {
    judge(&record::record(stores, plan).await)
}

/// A history counts only with at least one write done, at most a tenth of unknown outcomes and no
/// dropped read. (A run was "linearizable" once because its table did not exist.)
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

/// Enough of an id to tell it from the others of a history.
fn brief(id: Option<WriteId>) -> String {
    id.map_or_else(|| "nothing".to_owned(), |id| id.to_string().chars().take(8).collect())
}
