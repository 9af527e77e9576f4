//! One state of a fleet with one key: the store, the callers, and what the laws remember.

use funcify_core::{Timestamp, engine::KeyStatus, idempotency::IdempotencyRecord};

/// The time that is zero in the model.
const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub(super) type Id = u8;
/// Whole seconds since the start.
pub(super) type Seconds = i32;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) now: Seconds,
    /// The record of each of two names. A caller uses one of the names.
    pub(super) store: [Option<(Id, Record)>; 2],
    pub(super) callers: Vec<Step>,
    /// A write that is still on its way although its sender no longer waits for it.
    pub(super) late: Option<Write>,
    pub(super) left: Mishaps,
    pub(super) seen: [Seen; 2],
    /// The first law that was broken.
    pub(super) broken: Option<&'static str>,
}

/// How many more faults of each kind may occur.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Mishaps {
    pub(super) crashes: u8,
    pub(super) failures: u8,
    pub(super) lost: u8,
    pub(super) copies: u8,
    pub(super) evictions: u8,
}

/// A record as the real rules use it, with small numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Record {
    pub(super) status: KeyStatus,
    pub(super) fingerprint: String,
    pub(super) attempt: u32,
    /// In milliseconds since the start.
    pub(super) fence: i64,
    pub(super) since: Seconds,
    pub(super) until: Seconds,
    pub(super) answer: Option<Answer>,
}

/// The answer of an execution: the fence of its claim, and for whom it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Answer {
    pub(super) fence: i64,
    pub(super) payload: u8,
    pub(super) caller: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Idle,
    Claiming(Write),
    Waiting {
        version: Id,
        since: Seconds,
    },
    /// The caller has the claim. `begun` says whether it has begun the work.
    Working {
        claim: Claim,
        begun: bool,
    },
    Completing {
        claim: Claim,
        answer: Answer,
        write: Write,
        ambiguous: bool,
    },
    Releasing(Write),
    Answered(Answer),
    /// The caller got the right answer, but the store was away and does not hold it.
    Unremembered,
    Mismatched,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Claim {
    pub(super) version: Id,
    pub(super) record: Record,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Write {
    pub(super) name: usize,
    pub(super) id: Id,
    pub(super) expected: Option<Id>,
    pub(super) record: Record,
}

/// What the laws remember about one name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Seen {
    /// The executions during which no other one may begin, in order.
    pub(super) executions: Vec<Execution>,
    pub(super) answer: Option<Answer>,
    /// How often the store lost the record. There may be one more execution for each loss.
    pub(super) losses: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Execution {
    /// The caller that works. `None` once the answer is stored.
    pub(super) caller: Option<usize>,
    /// When the claim is over. Once the answer is stored, when the answer expires.
    pub(super) ends: Seconds,
}

pub(super) fn at(seconds: Seconds) -> Timestamp {
    Timestamp::from_millis(START.as_millis() + i64::from(seconds) * 1_000)
}

fn since_start(time: Timestamp) -> Seconds {
    Seconds::try_from((time.as_millis() - START.as_millis()).div_euclid(1_000)).unwrap()
}

impl Record {
    pub(super) fn real(&self) -> IdempotencyRecord {
        let answer = self
            .answer
            .map(|answer| format!("{} {} {}", answer.fence, answer.payload, answer.caller));
        IdempotencyRecord {
            status: self.status,
            fingerprint: self.fingerprint.clone(),
            attempt: self.attempt,
            fence: self.fence + START.as_millis(),
            since: at(self.since),
            until: at(self.until),
            answer,
            ..IdempotencyRecord::default()
        }
    }

    /// Returns how many claims there were at least. If a record is not believed, the attempts begin anew, but
    /// the fence still grows.
    pub(super) fn claims(&self) -> u32 {
        self.attempt.max(u32::try_from(self.fence.rem_euclid(1_000)).unwrap())
    }

    pub(super) fn of(real: &IdempotencyRecord) -> Self {
        let answer = real.answer.as_deref().map(|answer| {
            let mut parts = answer.split(' ');
            let mut next = || parts.next().unwrap();
            let (fence, payload, caller) = (next(), next(), next());
            let (payload, caller) = (payload.parse().unwrap(), caller.parse().unwrap());
            Answer { fence: fence.parse().unwrap(), payload, caller }
        });
        Self {
            status: real.status,
            fingerprint: real.fingerprint.clone(),
            attempt: real.attempt,
            fence: real.fence - START.as_millis(),
            since: since_start(real.since),
            until: since_start(real.until),
            answer,
        }
    }
}

impl Step {
    /// Returns the write that is on its way.
    pub(super) fn write(&self) -> Option<&Write> {
        match self {
            Self::Claiming(write) | Self::Releasing(write) | Self::Completing { write, .. } => {
                Some(write)
            }
            _ => None,
        }
    }
}

impl State {
    pub(super) fn new(callers: usize, left: Mishaps) -> Self {
        Self {
            now: 0,
            store: [None, None],
            callers: vec![Step::Idle; callers],
            late: None,
            left,
            seen: Default::default(),
            broken: None,
        }
    }

    /// Returns a write id that is not in use.
    pub(super) fn unused(&self) -> Id {
        let mut used = Vec::new();
        self.clone().each_id(&mut |id| used.push(*id));
        (1..).find(|id| !used.contains(id)).unwrap()
    }

    /// Returns one common form of equivalent states: if all callers are alike, they are sorted, and the write
    /// ids are numbered in the order in which they occur.
    pub(super) fn canonical(mut self, alike: bool) -> Self {
        if alike {
            let mut order: Vec<usize> = (0..self.callers.len()).collect();
            order.sort_by_cached_key(|place| crate::graph::fingerprint(&self.callers[*place]));
            let callers = order.iter().map(|place| self.callers[*place].clone()).collect();
            self.callers = callers;
            for seen in &mut self.seen {
                for caller in seen.executions.iter_mut().filter_map(|one| one.caller.as_mut()) {
                    *caller = order.iter().position(|place| place == caller).unwrap();
                }
                seen.executions.sort();
            }
        }
        let mut numbers = Vec::new();
        self.each_id(&mut |id| {
            let number = numbers.iter().position(|known| known == id).unwrap_or_else(|| {
                numbers.push(*id);
                numbers.len() - 1
            });
            *id = Id::try_from(number + 1).unwrap();
        });
        self
    }

    fn each_id(&mut self, seen: &mut impl FnMut(&mut Id)) {
        fn of_write(write: &mut Write, seen: &mut impl FnMut(&mut Id)) {
            seen(&mut write.id);
            if let Some(expected) = &mut write.expected {
                seen(expected);
            }
        }
        for (id, _) in self.store.iter_mut().flatten() {
            seen(id);
        }
        for step in &mut self.callers {
            match step {
                Step::Claiming(write) | Step::Releasing(write) => of_write(write, seen),
                Step::Completing { claim, write, .. } => {
                    seen(&mut claim.version);
                    of_write(write, seen);
                }
                Step::Working { claim, .. } => seen(&mut claim.version),
                Step::Waiting { version, .. } => seen(version),
                Step::Idle | Step::Answered(_) | Step::Unremembered | Step::Mismatched => {}
            }
        }
        if let Some(write) = &mut self.late {
            of_write(write, seen);
        }
    }

    pub(super) fn breaks(&mut self, law: &'static str) {
        self.broken.get_or_insert(law);
    }
}
