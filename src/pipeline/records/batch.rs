//! Records of a batch, one by one: in order, no further than the deadline, each failure its own.

use std::collections::{BTreeMap, BTreeSet};

use funcify_core::{Deadline, DeadlineExceeded};
use futures_util::{StreamExt, stream};
use http::StatusCode;

use crate::pipeline::records::Record;
use crate::pipeline::records::parsed::Parsed;
use crate::problem::Problem;

/// How the records of a source are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// All are tried, as many at once as the route says; those of a group up to its first failure.
    Groups {
        /// How many at once.
        concurrency: usize,
    },
    /// None is tried after a failure: a stream is read again from there.
    UpToFailure,
}

/// What became of one record.
pub(crate) struct Verdict {
    index: usize,
    pub(crate) id: String,
    pub(crate) problem: Option<Problem>,
    pub(crate) matched: bool,
}

/// What a record's turn needs: everything but the record.
pub(crate) trait Turns<S>: Sync {
    /// A record that waits for nothing but its end; smaller than the record.
    type Begun: Send;

    /// No turn begins after it.
    fn deadline(&self) -> Deadline;

    fn begin(&self, index: usize, record: S) -> Self::Begun;

    fn end(&self, begun: Self::Begun) -> impl Future<Output = Turn> + Send;
}

/// What became of a record that had its turn.
pub(crate) struct Turn {
    pub(crate) result: Result<(), Problem>,
    pub(crate) matched: bool,
}

/// Runs a batch. The verdicts are in the records' order.
pub(crate) async fn run<S: Record>(
    records: Vec<Parsed<S>>,
    order: Order,
    turns: &impl Turns<S>,
) -> Vec<Verdict> {
    let (concurrency, stop) = match order {
        Order::Groups { concurrency } => (concurrency, false),
        Order::UpToFailure => (1, true),
    };
    let records = records.into_iter().enumerate();
    if concurrency <= 1 {
        return run_lane(records, stop, turns).await;
    }
    let run = lanes(records).into_iter().map(|lane| run_lane(lane, stop, turns));
    let mut verdicts: Vec<Verdict> =
        stream::iter(run).buffer_unordered(concurrency).flat_map(stream::iter).collect().await;
    verdicts.sort_unstable_by_key(|verdict| verdict.index);
    verdicts
}

type Lane<S> = Vec<(usize, Parsed<S>)>;

/// Records that must wait for each other stand in one lane.
fn lanes<S: Record>(records: impl Iterator<Item = (usize, Parsed<S>)>) -> Vec<Lane<S>> {
    let mut lanes: Vec<Lane<S>> = Vec::new();
    let mut of_group: BTreeMap<String, usize> = BTreeMap::new();
    for (index, record) in records {
        let group = group(&record).map(str::to_owned);
        let known = group.as_ref().and_then(|group| of_group.get(group).copied());
        match known.and_then(|lane| lanes.get_mut(lane)) {
            Some(lane) => lane.push((index, record)),
            None => {
                if let Some(group) = group {
                    of_group.insert(group, lanes.len());
                }
                lanes.push(vec![(index, record)]);
            }
        }
    }
    lanes
}

fn run_lane<S: Record>(
    lane: impl IntoIterator<Item = (usize, Parsed<S>), IntoIter: Send>,
    stop: bool,
    turns: &impl Turns<S>,
) -> impl Future<Output = Vec<Verdict>> + Send {
    let mut lane = lane.into_iter();
    async move {
        let mut verdicts = Vec::with_capacity(lane.size_hint().0);
        let mut stopped = BTreeSet::new();
        let mut failed = false;
        // Begun before anything waits, so that nothing that waits has room for a record.
        while let Some((index, id, group, begun)) = lane.next().map(|(index, record)| {
            let (id, group) = (id(&record).to_owned(), group(&record).map(str::to_owned));
            let waits =
                (stop && failed) || group.as_ref().is_some_and(|group| stopped.contains(group));
            let begun = match record {
                // Not a fault of its own: it would overtake the one that failed.
                _ if waits => Err(Problem::new(StatusCode::CONFLICT)),
                Err(broken) => Err(broken.problem),
                Ok(_) if turns.deadline().remaining() < Deadline::LEAST => {
                    Err(DeadlineExceeded.into())
                }
                Ok(record) => Ok(turns.begin(index, record)),
            };
            (index, id, group, begun)
        }) {
            let turn = match begun {
                Ok(begun) => turns.end(begun).await,
                Err(problem) => Turn { result: Err(problem), matched: true },
            };
            if turn.result.is_err() {
                failed = true;
                stopped.extend(group);
            }
            let problem = turn.result.err();
            verdicts.push(Verdict { index, id, problem, matched: turn.matched });
        }
        verdicts
    }
}

fn id<S: Record>(record: &Parsed<S>) -> &str {
    match record {
        Ok(record) => record.id(),
        Err(broken) => &broken.id,
    }
}

fn group<S: Record>(record: &Parsed<S>) -> Option<&str> {
    match record {
        Ok(record) => record.group(),
        Err(broken) => broken.group.as_deref(),
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Mutex, time::Duration};

    use serde::Deserialize;

    use super::*;

    #[derive(Clone, Deserialize)]
    struct Letter {
        id: String,
        group: Option<String>,
    }

    impl Record for Letter {
        fn name(&self) -> &str {
            "letters"
        }
        fn id(&self) -> &str {
            &self.id
        }
        fn arn(&self) -> &str {
            ""
        }
        fn group(&self) -> Option<&str> {
            self.group.as_deref()
        }
    }

    /// Takes 10 ms a letter and fails those in capitals.
    struct Slow(Mutex<(usize, usize, Vec<String>)>, Deadline);

    impl Turns<Letter> for Slow {
        type Begun = Letter;

        fn deadline(&self) -> Deadline {
            self.1
        }

        fn begin(&self, _index: usize, letter: Letter) -> Letter {
            letter
        }

        async fn end(&self, letter: Letter) -> Turn {
            {
                let mut seen = self.0.lock().unwrap();
                seen.0 += 1;
                seen.1 = seen.1.max(seen.0);
                seen.2.push(letter.id.clone());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            self.0.lock().unwrap().0 -= 1;
            let fails = letter.id.chars().any(char::is_uppercase);
            let result = if fails { Err(Problem::new(StatusCode::BAD_GATEWAY)) } else { Ok(()) };
            Turn { result, matched: true }
        }
    }

    fn letters(ids: &[(&'static str, Option<&'static str>)]) -> Vec<Parsed<Letter>> {
        let letter = |(id, group): &(&'static str, Option<&'static str>)| Letter {
            id: (*id).to_owned(),
            group: group.map(str::to_owned),
        };
        ids.iter().map(letter).map(Ok).collect()
    }

    fn failed(verdicts: &[Verdict]) -> Vec<&str> {
        let failed = verdicts.iter().filter(|verdict| verdict.problem.is_some());
        failed.map(|verdict| verdict.id.as_str()).collect()
    }

    async fn batch(
        ids: &[(&'static str, Option<&'static str>)],
        order: Order,
        time: Duration,
    ) -> (Vec<String>, usize, Vec<String>) {
        let slow = Slow(Mutex::default(), Deadline::within(time));
        let verdicts = run(letters(ids), order, &slow).await;
        let failed = failed(&verdicts).into_iter().map(str::to_owned).collect();
        let (_, at_once, tried) = slow.0.into_inner().unwrap();
        (failed, at_once, tried)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn messages_without_order_are_all_tried_one_at_a_time() {
        let ids = [("a", None), ("B", None), ("c", None)];
        let (failed, at_once, tried) = batch(&ids, Order::Groups { concurrency: 1 }, LONG).await;
        assert_eq!((failed, at_once), (vec!["B".to_owned()], 1));
        assert_eq!(tried, ["a", "B", "c"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_stops_at_its_first_failure_and_others_go_on() {
        let ids = [("a1", Some("a")), ("A2", Some("a")), ("b1", Some("b")), ("a3", Some("a"))];
        for concurrency in [1, 4] {
            let (failed, _, tried) = batch(&ids, Order::Groups { concurrency }, LONG).await;
            assert_eq!(failed, ["A2", "a3"], "{concurrency} at once");
            assert_eq!(tried.len(), 3, "{concurrency} at once: {tried:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_is_told_in_the_order_of_the_records_whichever_ended_first() {
        let ids = [("a", Some("one")), ("B", Some("one")), ("C", Some("two"))];
        let (failed, at_once, tried) = batch(&ids, Order::Groups { concurrency: 2 }, LONG).await;
        assert_eq!((at_once, tried), (2, ["a", "C", "B"].map(str::to_owned).to_vec()));
        assert_eq!(failed, ["B", "C"]);
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_as_asked_for_run_at_once_and_no_more() {
        let ids: Vec<_> = ["a", "b", "c", "d", "e", "f", "g"].map(|id| (id, None)).to_vec();
        let (failed, at_once, tried) = batch(&ids, Order::Groups { concurrency: 3 }, LONG).await;
        assert_eq!((failed.len(), at_once, tried.len()), (0, 3, 7));
        let ordered: Vec<_> = ["a", "b", "c"].map(|id| (id, Some("one"))).to_vec();
        let (_, at_once, tried) = batch(&ordered, Order::Groups { concurrency: 3 }, LONG).await;
        assert_eq!(at_once, 1);
        assert_eq!(tried, ["a", "b", "c"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_stops_at_its_first_failure() {
        let ids = [("a", None), ("B", None), ("c", None)];
        let (failed, _, tried) = batch(&ids, Order::UpToFailure, LONG).await;
        assert_eq!(failed, ["B", "c"]);
        assert_eq!(tried, ["a", "B"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_taken_as_a_queue_overtakes_its_failure_and_is_caught() {
        let ids = [("a", None), ("B", None), ("c", None)];
        let (failed, _, tried) = batch(&ids, Order::Groups { concurrency: 1 }, LONG).await;
        assert!(failed != ["B", "c"] && tried != ["a", "B"], "the mutant must not look right");
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_deadline_leaves_no_time_for_is_reported_as_failed() {
        let ids = [("a", None), ("b", None), ("c", None)];
        let time = Deadline::LEAST + Duration::from_millis(15);
        let (failed, _, tried) = batch(&ids, Order::Groups { concurrency: 1 }, time).await;
        assert_eq!(failed, ["c"]);
        assert_eq!(tried, ["a", "b"]);
    }
}
