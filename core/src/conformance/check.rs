use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::time::timeout;

use super::{Breakable, Law, Outcome, Subject, client::Client};
use crate::{
    StoreError,
    circuit::CircuitName,
    error_chain::error_chain,
    name::NameError,
    register::{RecordKey, WriteId},
    token::TokenKey,
};

/// Longer than any store is slow: a check that takes this long hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// One promise, and the function that puts a subject to it.
pub(super) struct Check {
    pub(super) law: Law,
    pub(super) name: &'static str,
    pub(super) put: for<'a> fn(&'a Trial<'a>) -> Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>,
}

impl Check {
    pub(super) async fn run(&self, subject: &dyn Subject) -> Outcome {
        let verdict = async {
            let trial = Trial::of(subject).await?;
            (self.put)(&trial).await
        };
        match timeout(LIMIT, verdict).await {
            Ok(Ok(())) => Outcome::Passed,
            Ok(Err(Shortfall::Broken(why))) => Outcome::Failed(why),
            Ok(Err(Shortfall::NotExercised(why))) => Outcome::NotExercised(why),
            Err(_) => Outcome::Failed(format!("no end after {} s", LIMIT.as_secs())),
        }
    }
}

/// The checks of one law: each function is named as the sentence that it checks.
macro_rules! checks {
    ($law:ident: $($check:ident),+ $(,)?) => {
        pub(super) const CHECKS: &[$crate::conformance::check::Check] = &[$(
            $crate::conformance::check::Check {
                law: $crate::conformance::Law::$law,
                name: stringify!($check),
                put: |trial| Box::pin($check(trial)),
            }
        ),+];
    };
}

/// Ends a check as failed unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($why:tt)+) => {
        if !$condition {
            return Err($crate::conformance::check::Shortfall::Broken(format!($($why)+)));
        }
    };
}

pub(super) use {checks, ensure};

pub(super) type Verdict<T = ()> = Result<T, Shortfall>;

/// Why a check did not pass.
#[derive(Debug)]
pub(super) enum Shortfall {
    Broken(String),
    NotExercised(String),
}

impl Shortfall {
    pub(super) fn cannot_plant() -> Self {
        Self::NotExercised("the subject cannot plant this".to_owned())
    }

    pub(super) fn cannot_break() -> Self {
        Self::NotExercised("the subject cannot break its wire so".to_owned())
    }

    pub(super) fn reads_are_stale() -> Self {
        Self::NotExercised("reads of this store may be stale".to_owned())
    }
}

impl From<StoreError> for Shortfall {
    fn from(error: StoreError) -> Self {
        Self::Broken(error_chain(&error))
    }
}

impl From<NameError> for Shortfall {
    fn from(error: NameError) -> Self {
        Self::Broken(error.to_string())
    }
}

/// One check under way: two clients of the same store, and names that nobody has used.
pub(super) struct Trial<'a> {
    pub(super) subject: &'a dyn Subject,
    pub(super) client: Client,
    pub(super) other: Client,
    unique: String,
    names: AtomicU32,
}

impl<'a> Trial<'a> {
    async fn of(subject: &'a dyn Subject) -> Verdict<Self> {
        let any_token = RecordKey::Token(TokenKey::default());
        let any_circuit = RecordKey::Circuit(CircuitName::new("any")?);
        let client = Client {
            register: subject.fresh().await?,
            stale_tokens: subject.reads_may_be_stale(&any_token),
            stale_circuits: subject.reads_may_be_stale(&any_circuit),
        };
        let other = Client { register: subject.fresh().await?, ..client.clone() };
        let mut unique = WriteId::random().to_string();
        unique.truncate(20);
        Ok(Self { subject, client, other, unique, names: AtomicU32::new(0) })
    }

    /// A name that nobody has used.
    pub(super) fn name(&self) -> String {
        format!("check-{}-{}", self.unique, self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// The key of a token that nobody has written.
    pub(super) fn token(&self) -> Verdict<RecordKey> {
        Ok(RecordKey::Token(TokenKey::new(self.name())?))
    }

    /// The key of a circuit that nobody has written.
    pub(super) fn circuit(&self) -> Verdict<RecordKey> {
        Ok(RecordKey::Circuit(CircuitName::new(self.name())?))
    }
}

/// The subject's breakable register.
pub(super) fn breakable(trial: &Trial<'_>) -> Verdict<Arc<dyn Breakable>> {
    trial.subject.faulty().ok_or_else(Shortfall::cannot_break)
}
