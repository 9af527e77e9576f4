use std::fmt;

use super::{pip::PipFault, policy::PolicyFault};

/// Why no pipeline was built: every fault at once.
#[derive(Debug, thiserror::Error)]
#[error("the pipeline has {} faults: {}", faults.len(), Lines(faults))]
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
    /// An option of batches follows a route that has none.
    #[error("`{0}` must follow a route of batches")]
    Misplaced(&'static str),
    /// No record at all could ever be handled.
    #[error("expected a concurrency of at least 1")]
    NoConcurrency,
    /// A policy of HTTP routes needs to know who is calling.
    #[error("a policy of HTTP routes needs a `pip`")]
    NoPip,
    /// An entry of the policy is wrong.
    #[error(transparent)]
    Policy(PolicyFault),
    /// The `pip` is wrong.
    #[error(transparent)]
    Pip(PipFault),
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
