use std::fmt;

use crate::auth::AuthConfigError;

/// A pipeline was not built. Its `Display` names every fault at once.
///
/// # Examples
///
/// ```
/// use funcify::pipeline::{Pipeline, Problem, SqsRecord};
///
/// async fn on_order(_: SqsRecord) -> Result<(), Problem> {
///     Ok(())
/// }
///
/// let pipeline = Pipeline::builder(()).sqs("orders", on_order).sqs("orders", on_order).build();
/// let expected = "the pipeline cannot be built: two sqs routes have the name `orders`";
/// assert_eq!(pipeline.unwrap_err().to_string(), expected);
/// ```
#[derive(Debug, thiserror::Error)]
#[error("the pipeline cannot be built: {}", Sentences(faults))]
pub struct BuildError {
    faults: Vec<Fault>,
}

impl BuildError {
    pub(super) fn new(faults: Vec<Fault>) -> Self {
        Self { faults }
    }
}

/// One fault of a pipeline.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("two {source_name} routes have the name `{name}`")]
    RepeatedName { source_name: &'static str, name: String },
    /// No event can have this name: the route would never be taken.
    #[error(
        "a route of {source_name} needs the name of its source, with a * at most at the end, got {name:?}"
    )]
    ImpossibleName { source_name: &'static str, name: String },
    #[error("`{0}` is set twice, and a pipeline has only one")]
    SetTwice(&'static str),
    /// The policy restricts a route that does not exist, and so it restricts nothing. EventBridge
    /// events cannot be restricted: their sender writes the ARNs in them.
    #[error(
        "the policy restricts the sources of {name:?}, but no route of s3, sqs, sns, kinesis or \
         dynamodb_stream has this name"
    )]
    NoRouteToRestrict { name: String },
    /// With a concurrency of 0 no message could ever be handled.
    #[error("the concurrency of the {source_name} route `{name}` must be at least 1, got 0")]
    NoConcurrency { source_name: &'static str, name: String },
    #[error("a policy of HTTP routes needs an authenticator")]
    NoAuthenticator,
    #[error(transparent)]
    AccessPolicy(AuthConfigError),
    #[error(transparent)]
    Authenticator(AuthConfigError),
}

struct Sentences<'a>(&'a [Fault]);

impl fmt::Display for Sentences<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            write!(f, "{}{fault}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}
