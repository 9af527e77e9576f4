use http::Method;

use crate::auth::policy::permission::PermissionError;

/// What is wrong with an entry of an access policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AccessPolicyFault {
    /// The permission is malformed.
    #[error("the policy of {method} {path}: {source}")]
    Permission {
        /// The route's method.
        method: Method,
        /// The route's path.
        path: String,
        /// What is wrong with it.
        source: PermissionError,
    },
    /// A router does not accept the path.
    #[error("expected a path that begins with / in the policy of {method}, got {path:?}")]
    Path {
        /// The route's method.
        method: Method,
        /// The path that was given.
        path: String,
    },
    /// The route is listed already.
    #[error("the policy lists {method} {path} twice")]
    Duplicate {
        /// The route's method.
        method: Method,
        /// The route's path.
        path: String,
    },
    /// The pattern does not have the parts of an ARN.
    #[error(
        "expected arn:partition:service:region:account:resource for the route {route:?}, got {pattern:?}"
    )]
    Source {
        /// The route's name.
        route: String,
        /// The pattern that was given.
        pattern: String,
    },
}
