use std::fmt;

use crate::auth::AuthConfigError;

/// Why no pipeline was built: every fault at once.
#[derive(Debug, thiserror::Error)]
#[error("the pipeline cannot be built: {}", Lines(faults))]
pub struct BuildError {
    faults: Vec<Fault>,
}

/// One fault of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Two routes of one source have one name.
    #[error("two routes of {source_name} are named `{name}`")]
    Repeated {
        /// The source: `sqs`, `s3`, …
        source_name: &'static str,
        /// The name.
        name: String,
    },
    /// A route's name is one that nothing can have, so that it would never be taken.
    #[error(
        "expected the name of what {source_name} events come from, with a * only at its end, got {name:?}"
    )]
    Name {
        /// The source: `sqs`, `s3`, …
        source_name: &'static str,
        /// What came.
        name: String,
    },
    /// Something of which there is one was given twice.
    #[error("`{0}` was given twice: only one can be in force")]
    Twice(&'static str),
    /// The policy restricts a route that is not there, and so restricts nothing. Events of
    /// EventBridge cannot be restricted: who sends one writes its ARNs.
    #[error(
        "the policy names sources for {name:?}: expected a route of s3, sqs, sns, kinesis or dynamodb_stream"
    )]
    NoSource {
        /// The name.
        name: String,
    },
    /// An option of batches follows a route that has none.
    #[error("`{0}` must follow a route of batches")]
    Misplaced(&'static str),
    /// No record at all could ever be handled.
    #[error("expected a concurrency of at least 1")]
    NoConcurrency,
    /// A policy of HTTP routes needs to know who is calling.
    #[error("a policy of HTTP routes needs a `authenticator`")]
    NoPip,
    /// An entry of the policy is wrong.
    #[error(transparent)]
    AccessPolicy(AuthConfigError),
    /// The `authenticator` is wrong.
    #[error(transparent)]
    Authenticator(AuthConfigError),
}

struct Lines<'a>(&'a [Fault]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            write!(f, "{}{fault}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl BuildError {
    pub(super) fn new(faults: Vec<Fault>) -> Self {
        Self { faults }
    }

    /// The faults.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}
