//! The scenario of idempotency. Each message must have one effect, whatever happens to the processes.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use tokio::task::JoinSet;

use crate::{
    Figure, SimulatorError,
    answers::{Accepts, Answers},
    messages::{Message, Processes},
    run::Run,
    store::lock,
};

pub(super) async fn duplicates(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    figures(run, |current, expected, _| current == expected).await
}

async fn figures(run: &Run, accepts: Accepts) -> Result<Vec<Figure>, SimulatorError> {
    let keys = if run.settings.long { 20_000 } else { 2_000 };
    let fleet = Processes::new(run, accepts);
    let mut messages = JoinSet::new();
    for key in 0..keys {
        messages.spawn(Message::new(&fleet, key).live());
    }
    let mut total = Total::default();
    while let Some(message) = messages.join_next().await {
        run.report_progress();
        match message {
            Ok(message) => total.add(&message),
            // The message panicked, so that its callers got no answer.
            Err(_) => total.wedged += 1,
        }
    }
    let sum = |count: fn(&Answers) -> u64| fleet.stores.iter().map(|it| count(it)).sum::<u64>();
    Ok(vec![
        Figure::exactly("executions_per_key", total.executions.into(), 1.0),
        Figure::exactly("unexcused_executions", total.unexcused.into(), 0.0),
        Figure::exactly("different_answers", total.different_answers.into(), 0.0),
        Figure::exactly("stale_completions", sum(Answers::stale_completions) as f64, 0.0),
        Figure::exactly("wedged_keys", total.wedged.into(), 0.0),
        Figure::exactly("mismatches_answered", total.mismatches_answered.into(), 0.0),
        Figure::plain("takeovers", fleet.takeovers() as f64),
        Figure::plain("deliveries", total.deliveries.into()),
        Figure::plain("store_ops", sum(Answers::operations) as f64),
    ])
}

/// What happened to all messages.
#[derive(Default)]
struct Total {
    /// The most executions of a key without any excused execution.
    executions: u32,
    /// Executions after the first that no death, freeze or failure explains.
    unexcused: u32,
    /// Keys whose callers got different answers.
    different_answers: u32,
    wedged: u32,
    mismatches_answered: u32,
    deliveries: u32,
}

impl Total {
    fn add(&mut self, message: &Arc<Message>) {
        let (executions, excused) =
            (message.executions.load(Relaxed), message.excused.load(Relaxed));
        if excused == 0 {
            self.executions = self.executions.max(executions);
        }
        self.unexcused += executions.saturating_sub(excused + 1);
        let answers = lock(&message.answers);
        let is_other = |answer: &u32| answers.first() != Some(answer);
        self.different_answers += u32::from(answers.iter().any(is_other));
        self.wedged += message.is_wedged.load(Relaxed);
        self.mismatches_answered += message.mismatches_answered.load(Relaxed);
        self.deliveries += message.deliveries.load(Relaxed);
    }
}

/// Mutants: stores that each break one promise. The limits must catch every one of them.
#[cfg(test)]
mod tests {
    use funcify_core::engine::KeyStatus;

    use super::*;
    use crate::{Scenario, Settings};

    async fn missed(accepts: Accepts) -> Vec<&'static str> {
        let run = Run::begin(Scenario::Duplicates, &Settings::new(7).with_instances(100));
        let figures = figures(&run, accepts).await.unwrap();
        figures.iter().filter(|it| !it.is_within_limit()).map(|it| it.name).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_stored_whatever_the_version_is_caught() {
        let missed = missed(|current, expected, next| {
            current == expected || next.status == KeyStatus::Completed
        });
        let missed = missed.await;
        assert!(missed.contains(&"stale_completions"), "{missed:?}");
        assert!(missed.contains(&"different_answers"), "{missed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_freed_whatever_the_version_is_caught() {
        let missed = missed(|current, expected, next| {
            current == expected || next.status == KeyStatus::Released
        });
        let missed = missed.await;
        assert!(missed.contains(&"unexcused_executions"), "{missed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_without_a_comparison_of_versions_is_caught() {
        let missed = missed(|current, expected, next| {
            current == expected || next.status == KeyStatus::InProgress
        });
        let missed = missed.await;
        assert!(missed.contains(&"executions_per_key"), "{missed:?}");
    }
}
