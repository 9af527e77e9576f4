use crate::auth::authenticator::fault::AuthenticatorFault;
use crate::auth::policy::fault::AccessPolicyFault;

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
    /// The policy restricts a route that does not exist, so it restricts nothing. Events of EventBridge
    /// cannot be restricted, because their sender writes the ARNs in them.
    #[error(
        "the policy restricts the sources of {name:?}, but no route of s3, sqs, sns, kinesis or \
         dynamodb_stream has this name"
    )]
    NoRouteToRestrict { name: String },
    /// The restriction would apply to both routes, and all events of EventBridge would be refused.
    #[error(
        "the policy restricts the sources of {name:?}, but a route of eventbridge has this name too, and its \
         events cannot be restricted"
    )]
    RestrictedEvents { name: String },
    /// With a concurrency of 0 no message could ever be handled.
    #[error("the concurrency of the {source_name} route `{name}` must be at least 1, got 0")]
    NoConcurrency { source_name: &'static str, name: String },
    /// No path begins with this text, so it would never be removed.
    #[error("`base_path`: expected a base path such as `/shop`, got {0:?}")]
    BasePath(String),
    #[error("`.layer(…)` needs a router to wrap: add `.http(router)`")]
    NoRouterInLayer,
    #[error("a policy of HTTP routes needs an authenticator: `.authenticator(…)`")]
    NoAuthenticator,
    /// TLS cannot be set up.
    #[error("{0}")]
    Client(String),
    #[error("{0}")]
    Metrics(String),
    #[error(transparent)]
    AccessPolicy(AccessPolicyFault),
    #[error(transparent)]
    Authenticator(AuthenticatorFault),
}
