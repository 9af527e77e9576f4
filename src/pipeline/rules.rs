use std::{sync::Arc, time::Duration};

use axum::{body::Body, routing::RouterIntoService};
use futures_util::future::BoxFuture;

use crate::auth::authenticator::Identify;
use crate::auth::policy::AccessPolicy;
use crate::pipeline::invocation::Invocation;
use crate::pipeline::records::routes::RecordRoutes;
use crate::problem::Problem;

/// A guard.
pub(super) type Guard =
    Box<dyn Fn(Invocation) -> BoxFuture<'static, Result<Invocation, Problem>> + Send + Sync>;

/// Everything that a function has configured.
pub(super) struct Rules {
    pub(super) router: Option<RouterIntoService<Body>>,
    pub(super) routes: RecordRoutes,
    /// In the order in which they run.
    pub(super) guards: Vec<Guard>,
    pub(super) authenticator: Option<Arc<dyn Identify>>,
    pub(super) policy: Option<Arc<AccessPolicy>>,
    pub(super) margin: Duration,
    /// What is removed from the front of each path.
    pub(super) base_path: Box<str>,
}

impl Rules {
    /// Runs the guards, up to the first that refuses.
    pub(super) async fn admit(&self, mut invocation: Invocation) -> Result<Invocation, Problem> {
        for guard in &self.guards {
            // A guard that fails has not refused: its failure is the function's.
            let mark = |problem: Problem| match problem.status().is_server_error() {
                true => problem,
                false => problem.refused(),
            };
            invocation = guard(invocation).await.map_err(mark)?;
        }
        Ok(invocation)
    }
}
