//! The sources from which the policy lets a route take records.

use std::sync::Arc;

use http::StatusCode;

use crate::auth::policy::AccessPolicy;
use crate::problem::Problem;

/// What the policy says about the sources of one route. It is attached to the invocation of each record, for
/// the envelopes that `via` opens.
#[derive(Clone)]
pub(super) struct Restriction {
    policy: Arc<AccessPolicy>,
    route: Arc<str>,
}

impl Restriction {
    /// The restriction of the route. `None` if the policy names no source for it.
    pub(super) fn of(policy: Option<&Arc<AccessPolicy>>, route: &Arc<str>) -> Option<Self> {
        let policy = policy.filter(|policy| policy.sources().any(|name| name == &**route))?;
        Some(Self { policy: Arc::clone(policy), route: Arc::clone(route) })
    }

    /// Refuses a record of the event unless its source is allowed.
    pub(super) fn check(&self, arn: &str) -> Result<(), Problem> {
        self.refused_unless(self.policy.source_allowed(&self.route, arn))
    }

    /// Refuses a record from an envelope unless its source is allowed.
    pub(super) fn check_inner(&self, service: &str, arn: &str) -> Result<(), Problem> {
        self.refused_unless(self.policy.inner_source_allowed(&self.route, service, arn))
    }

    fn refused_unless(&self, is_allowed: bool) -> Result<(), Problem> {
        if is_allowed {
            return Ok(());
        }
        let detail =
            format!("the policy does not allow this source for the route `{}`", self.route);
        Err(Problem::new(StatusCode::FORBIDDEN).with("detail", detail).refused())
    }
}
