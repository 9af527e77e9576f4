//! Runs the records of a batch in order, until the deadline. Each record has its own result.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use funcify_core::{Deadline, DeadlineExceeded};
use futures_util::{FutureExt, StreamExt, future::Either, stream};
use http::StatusCode;

use crate::pipeline::log;
use crate::pipeline::outcome::InvocationOutcome;
use crate::pipeline::records::parsed::Parsed;
use crate::pipeline::records::record::Record;
use crate::problem::Problem;

/// Why a record was not tried, for the log.
const WAITS: &str = "it was not tried, because a record before it failed";

/// In which order the records of a source are handled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// All records are tried. Those of one ordering group are tried up to its first failure.
    Groups {
        /// How many records are handled at the same time.
        concurrency: usize,
    },
    /// No record is tried after a failure, because the stream continues from the failure.
    UpToFailure,
}

/// The result of one record.
pub(crate) struct RecordResult {
    index: usize,
    pub(crate) id: String,
    pub(crate) problem: Option<Problem>,
    pub(crate) matched: bool,
    route: Option<Arc<str>>,
}

impl RecordResult {
    /// Its route and how it ended, for the metrics.
    pub(crate) fn ended(&self) -> (Option<&str>, InvocationOutcome) {
        let outcome = match &self.problem {
            _ if !self.matched => InvocationOutcome::Unmatched,
            None => InvocationOutcome::Handled,
            Some(problem) if problem.is_refusal() => InvocationOutcome::Refused,
            Some(_) => InvocationOutcome::Failed,
        };
        (self.route.as_deref(), outcome)
    }
}

/// What is needed to run a record, except the record itself.
pub(crate) trait RecordRunner<S>: Sync {
    /// A started record. It takes less memory than the record itself.
    type Started: Send;

    /// The deadline. No record is started after it.
    fn deadline(&self) -> Deadline;

    fn start(&self, index: usize, record: S) -> Self::Started;

    fn finish(&self, started: Self::Started) -> impl Future<Output = RecordRun> + Send;

    /// The name of the route that takes the record.
    fn route(&self, record: &S) -> Option<Arc<str>>;
}

/// How the run of a record ended.
pub(crate) struct RecordRun {
    pub(crate) result: Result<(), Problem>,
    pub(crate) matched: bool,
    /// The route of a record that failed.
    pub(crate) route: Option<Arc<str>>,
}

/// Runs a batch. The results have the order of the records.
pub(crate) fn run<S: Record>(
    records: Vec<Parsed<S>>,
    order: Order,
    runner: &impl RecordRunner<S>,
) -> impl Future<Output = Vec<RecordResult>> + Send {
    let (concurrency, stops) = match order {
        Order::Groups { concurrency } => (concurrency, false),
        Order::UpToFailure => (1, true),
    };
    let records = records.into_iter().enumerate();
    if !S::CAN_BE_CONCURRENT || concurrency <= 1 {
        return Either::Left(run_in_order(records, stops, runner));
    }
    let runs =
        ordering_groups(records).into_iter().map(move |group| run_in_order(group, stops, runner));
    let results =
        stream::iter(runs).buffer_unordered(concurrency).flat_map(stream::iter).collect::<Vec<_>>();
    // Most batches are run in order. Their future should not be as large as this one.
    Either::Right(Box::pin(results.map(|mut results| {
        results.sort_unstable_by_key(|result| result.index);
        results
    })))
}

type OrderingGroup<S> = Vec<(usize, Parsed<S>)>;

/// Puts records that must wait for each other into one group. A record without an ordering group gets a group
/// of its own.
fn ordering_groups<S: Record>(
    records: impl Iterator<Item = (usize, Parsed<S>)>,
) -> Vec<OrderingGroup<S>> {
    let mut groups: Vec<OrderingGroup<S>> = Vec::new();
    let mut positions: BTreeMap<String, usize> = BTreeMap::new();
    for (index, record) in records {
        let name = group(&record).map(str::to_owned);
        let known = name.as_ref().and_then(|name| positions.get(name).copied());
        match known.and_then(|position| groups.get_mut(position)) {
            Some(group) => group.push((index, record)),
            None => {
                if let Some(name) = name {
                    positions.insert(name, groups.len());
                }
                groups.push(vec![(index, record)]);
            }
        }
    }
    groups
}

fn run_in_order<S: Record>(
    records: impl IntoIterator<Item = (usize, Parsed<S>), IntoIter: Send>,
    stops: bool,
    runner: &impl RecordRunner<S>,
) -> impl Future<Output = Vec<RecordResult>> + Send {
    let mut records = records.into_iter();
    async move {
        let mut results = Vec::with_capacity(records.size_hint().0);
        let mut stopped_groups = BTreeSet::new();
        let mut failed = false;
        // A record is started before the await, so that the future does not hold the record.
        while let Some((index, id, group, started)) = records.next().map(|(index, record)| {
            let (id, group) = (id(&record).to_owned(), group(&record).map(str::to_owned));
            let must_wait = (stops && failed)
                || group.as_ref().is_some_and(|group| stopped_groups.contains(group));
            let started = match record {
                // This record has not failed, but it must not overtake the one that has.
                record if must_wait => {
                    let route = record.ok().and_then(|record| runner.route(&record));
                    Err((Problem::new(StatusCode::CONFLICT).with("detail", WAITS), route))
                }
                Err(malformed) => Err((malformed.problem, None)),
                Ok(record) if runner.deadline().remaining() < Deadline::LEAST => {
                    Err((DeadlineExceeded.into(), runner.route(&record)))
                }
                Ok(record) => Ok(runner.start(index, record)),
            };
            (index, id, group, started)
        }) {
            let run = match started {
                Ok(started) => runner.finish(started).await,
                Err((problem, route)) => RecordRun { result: Err(problem), matched: true, route },
            };
            if let Err(problem) = &run.result {
                log::failed_record(&id, index, run.route.as_deref(), problem);
                failed = true;
                stopped_groups.extend(group);
            }
            let problem = run.result.err();
            results.push(RecordResult {
                index,
                id,
                problem,
                matched: run.matched,
                route: run.route,
            });
        }
        results
    }
}

fn id<S: Record>(record: &Parsed<S>) -> &str {
    match record {
        Ok(record) => record.id(),
        Err(malformed) => &malformed.id,
    }
}

fn group<S: Record>(record: &Parsed<S>) -> Option<&str> {
    match record {
        Ok(record) => record.group(),
        Err(malformed) => malformed.group.as_deref(),
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Mutex, time::Duration};

    use serde::Deserialize;

    use super::*;
    use crate::pipeline::records::text::RecordText;

    #[derive(Clone, Deserialize)]
    struct Letter {
        id: String,
        group: Option<String>,
    }

    impl Record for Letter {
        const ROUTE: &'static str = "letters";
        const CAN_BE_CONCURRENT: bool = true;

        fn keep(&mut self, _: RecordText) {}
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

    /// Takes 10 ms for each letter, and fails letters in capitals.
    struct Slow(Mutex<(usize, usize, Vec<String>)>, Deadline);

    impl RecordRunner<Letter> for Slow {
        type Started = Letter;

        fn deadline(&self) -> Deadline {
            self.1
        }

        fn route(&self, _letter: &Letter) -> Option<Arc<str>> {
            None
        }

        fn start(&self, _index: usize, letter: Letter) -> Letter {
            letter
        }

        async fn finish(&self, letter: Letter) -> RecordRun {
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
            RecordRun { result, matched: true, route: None }
        }
    }

    fn letters(ids: &[(&'static str, Option<&'static str>)]) -> Vec<Parsed<Letter>> {
        let letter = |(id, group): &(&'static str, Option<&'static str>)| Letter {
            id: (*id).to_owned(),
            group: group.map(str::to_owned),
        };
        ids.iter().map(letter).map(Ok).collect()
    }

    fn failed(results: &[RecordResult]) -> Vec<&str> {
        let failed = results.iter().filter(|result| result.problem.is_some());
        failed.map(|result| result.id.as_str()).collect()
    }

    async fn batch(
        ids: &[(&'static str, Option<&'static str>)],
        order: Order,
        time: Duration,
    ) -> (Vec<String>, usize, Vec<String>) {
        let slow = Slow(Mutex::default(), Deadline::within(time));
        let results = run(letters(ids), order, &slow).await;
        let failed = failed(&results).into_iter().map(str::to_owned).collect();
        let (_, concurrent, tried) = slow.0.into_inner().unwrap();
        (failed, concurrent, tried)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn unordered_messages_are_all_tried_one_at_a_time() {
        let ids = [("a", None), ("B", None), ("c", None)];
        let (failed, concurrent, tried) = batch(&ids, Order::Groups { concurrency: 1 }, LONG).await;
        assert_eq!((failed, concurrent), (vec!["B".to_owned()], 1));
        assert_eq!(tried, ["a", "B", "c"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_stops_at_its_first_failure_and_the_others_continue() {
        let ids = [("a1", Some("a")), ("A2", Some("a")), ("b1", Some("b")), ("a3", Some("a"))];
        for concurrency in [1, 4] {
            let (failed, _, tried) = batch(&ids, Order::Groups { concurrency }, LONG).await;
            assert_eq!(failed, ["A2", "a3"], "concurrency {concurrency}");
            assert_eq!(tried.len(), 3, "concurrency {concurrency}: {tried:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_reported_in_the_order_of_the_records_whichever_ended_first() {
        let ids = [("a", Some("one")), ("B", Some("one")), ("C", Some("two"))];
        let (failed, concurrent, tried) = batch(&ids, Order::Groups { concurrency: 2 }, LONG).await;
        assert_eq!((concurrent, tried), (2, ["a", "C", "B"].map(str::to_owned).to_vec()));
        assert_eq!(failed, ["B", "C"]);
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_records_run_concurrently_as_configured_and_no_more() {
        let ids: Vec<_> = ["a", "b", "c", "d", "e", "f", "g"].map(|id| (id, None)).to_vec();
        let (failed, concurrent, tried) = batch(&ids, Order::Groups { concurrency: 3 }, LONG).await;
        assert_eq!((failed.len(), concurrent, tried.len()), (0, 3, 7));
        let ordered: Vec<_> = ["a", "b", "c"].map(|id| (id, Some("one"))).to_vec();
        let (_, concurrent, tried) = batch(&ordered, Order::Groups { concurrency: 3 }, LONG).await;
        assert_eq!(concurrent, 1);
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
    async fn a_stream_handled_like_a_queue_overtakes_its_failure_and_is_caught() {
        let ids = [("a", None), ("B", None), ("c", None)];
        let (failed, _, tried) = batch(&ids, Order::Groups { concurrency: 1 }, LONG).await;
        assert!(failed != ["B", "c"] && tried != ["a", "B"], "the mutant must not look right");
    }

    #[tokio::test(start_paused = true)]
    async fn records_that_the_deadline_leaves_no_time_for_are_reported_as_failed() {
        let ids = [("a", None), ("b", None), ("c", None)];
        let time = Deadline::LEAST + Duration::from_millis(15);
        let (failed, _, tried) = batch(&ids, Order::Groups { concurrency: 1 }, time).await;
        assert_eq!(failed, ["c"]);
        assert_eq!(tried, ["a", "b"]);
    }
}
