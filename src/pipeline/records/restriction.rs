//! From which sources the policy lets a route take records.

use std::sync::Arc;

use http::StatusCode;

use crate::auth::policy::AccessPolicy;
use crate::problem::Problem;

/// What the policy says about the sources of one route. It goes with each record of the route, to the envelopes
/// that are opened on the way.
#[derive(Clone)]
pub(super) struct Restriction {
    policy: Arc<AccessPolicy>,
    route: Arc<str>,
}

impl Restriction {
    /// `None` if the policy names no source of the route.
    pub(super) fn of(policy: Option<&Arc<AccessPolicy>>, route: &Arc<str>) -> Option<Self> {
        let policy = policy.filter(|policy| policy.sources().any(|name| name == &**route))?;
        Some(Self { policy: Arc::clone(policy), route: Arc::clone(route) })
    }

    /// Refuses a record of the event.
    pub(super) fn check(&self, arn: &str) -> Result<(), Problem> {
        self.refused_unless(self.policy.source_allowed(&self.route, arn))
    }

    /// Refuses a record from an envelope.
    pub(super) fn check_inner(&self, service: &str, arn: &str) -> Result<(), Problem> {
        self.refused_unless(self.policy.inner_source_allowed(&self.route, service, arn))
    }

    fn refused_unless(&self, is_allowed: bool) -> Result<(), Problem> {
        if is_allowed {
            return Ok(());
        }
        let detail = format!("the policy does not allow {} this source", self.route);
        Err(Problem::new(StatusCode::FORBIDDEN).with("detail", detail).refused())
    }
}
