//! Reports the records that failed to the source.

use std::sync::Arc;

use crate::pipeline::ended::Ended;
use crate::pipeline::event::kind::Kind;
use crate::pipeline::event::source::{Answer, Source};
use crate::pipeline::outcome::{InvocationError, InvocationErrorKind, InvocationOutcome};
use crate::pipeline::output::Output;
use crate::pipeline::records::batch::RecordResult;
use crate::problem::Problem;

/// Which failures a source takes in a report.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureReport {
    /// Every record that failed.
    Each,
    /// The first record that failed.
    First,
    /// Every record that failed, by its partition and offset.
    Offsets,
    /// No report: the whole batch succeeds or fails.
    WholeBatch,
}

impl FailureReport {
    /// What a source of this kind takes.
    pub(crate) fn of_kind(kind: Kind) -> Self {
        match Source::of(kind).answer.value {
            Answer::Failures => Self::Each,
            Answer::FirstFailure => Self::First,
            Answer::Offsets => Self::Offsets,
            _ => Self::WholeBatch,
        }
    }

    fn output(self, failures: Vec<String>) -> Output {
        match self {
            Self::WholeBatch => Output::nothing(),
            Self::Each | Self::First => Output::batch(failures),
            Self::Offsets => Output::offsets(failures),
        }
    }
}

struct Failed {
    id: String,
    problem: Problem,
    matched: bool,
}

impl FailureReport {
    /// The outcome of a batch with these results.
    pub(crate) fn of(self, results: Vec<RecordResult>) -> Ended {
        let total = results.len();
        let any_unmatched = results.iter().any(|result| !result.matched);
        let failed: Vec<Failed> = results
            .into_iter()
            .filter_map(|RecordResult { id, problem, matched, .. }| {
                Some(Failed { id, problem: problem?, matched })
            })
            .collect();
        match failed.first() {
            None => self.succeeded(any_unmatched),
            Some(first) => {
                let count = failed.len();
                let problem = &first.problem;
                let cause: Arc<str> =
                    format!("{count} of {total} records failed, the first: {problem}").into();
                let outcome = outcome(&failed);
                let result = self.result(failed, total, outcome);
                Ended { outcome, result, cause: Some(cause) }
            }
        }
    }

    fn succeeded(self, any_unmatched: bool) -> Ended {
        let output = self.output(Vec::new());
        let outcome = match any_unmatched {
            true => InvocationOutcome::Unmatched,
            false => InvocationOutcome::Handled,
        };
        Ended { outcome, ..Ended::handled(output) }
    }

    fn result(
        self,
        failed: Vec<Failed>,
        total: usize,
        outcome: InvocationOutcome,
    ) -> Result<Output, InvocationError> {
        let count = failed.len();
        let reported = match self {
            Self::First => 1,
            Self::Each | Self::Offsets | Self::WholeBatch => count,
        };
        // A failure without an identifier cannot be reported, so the whole batch must be delivered again.
        let any_nameless = failed.iter().take(reported).any(|failed| failed.id.is_empty());
        if any_nameless || self == Self::WholeBatch {
            let kind = match outcome {
                InvocationOutcome::Unmatched => InvocationErrorKind::NoMatchingRoute,
                InvocationOutcome::Refused => InvocationErrorKind::Refused,
                _ => InvocationErrorKind::RecordsFailed,
            };
            let message = format!("{count} of {total} records failed");
            return Err(InvocationError::new(kind, message));
        }
        Ok(self.output(failed.into_iter().take(reported).map(|failed| failed.id).collect()))
    }
}

fn outcome(failed: &[Failed]) -> InvocationOutcome {
    let all_unmatched = failed.iter().all(|failed| !failed.matched);
    let all_refused = failed.iter().all(|failed| failed.problem.is_refusal());
    match (all_unmatched, all_refused) {
        (true, _) => InvocationOutcome::Unmatched,
        (_, true) => InvocationOutcome::Refused,
        _ => InvocationOutcome::Failed,
    }
}
