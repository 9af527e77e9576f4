//! One check of the suite, and how it runs.

use std::{future::Future, pin::Pin, time::Duration};

use tokio::time::timeout;

use super::{
    Subject,
    trial::Trial,
    verdict::{Shortfall, Verdict},
};

/// The time limit of a check, 60 s. No store is that slow, so a check that reaches the limit hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// One promise of the contract, and the function that checks it on a subject.
pub(super) struct Promise {
    pub(super) law: &'static str,
    pub(super) name: &'static str,
    pub(super) check:
        for<'a> fn(&'a Trial<'a>) -> Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>,
}

impl Promise {
    pub(super) async fn check(&self, subject: &dyn Subject) -> Verdict {
        let verdict = async {
            let trial = Trial::of(subject).await?;
            (self.check)(&trial).await
        };
        timeout(LIMIT, verdict).await.unwrap_or_else(|_| {
            Err(Shortfall::Broken(format!("not finished after {} s", LIMIT.as_secs())))
        })
    }
}

/// Defines the checks of one law. The name of each function is the sentence that it checks.
macro_rules! checks {
    ($law:ident: $($check:ident),+ $(,)?) => {
        pub(super) const CHECKS: &[$crate::conformance::check::Promise] = &[$(
            $crate::conformance::check::Promise {
                law: stringify!($law),
                name: stringify!($check),
                check: |trial| Box::pin($check(trial)),
            }
        ),+];
    };
}

pub(super) use checks;
