use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::pipeline::invocation::Invocation;
use crate::problem::Problem;

/// A function that runs before a route is chosen, and may refuse the event.
pub(super) type Guard =
    Box<dyn Fn(Invocation) -> BoxFuture<'static, Result<Invocation, Problem>> + Send + Sync>;

/// The guards of a function, in the order in which they run. Cheap to clone.
#[derive(Clone)]
pub(super) struct Guards(Arc<[Guard]>);

impl Guards {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Runs the guards, up to the first that refuses.
    pub(super) async fn admit(&self, mut invocation: Invocation) -> Result<Invocation, Problem> {
        for guard in self.0.iter() {
            // A 5xx is a failure of the function, and not a refusal of the event.
            let mark = |problem: Problem| match problem.status().is_server_error() {
                true => problem,
                false => problem.refused(),
            };
            invocation = guard(invocation).await.map_err(mark)?;
        }
        Ok(invocation)
    }
}

impl From<Vec<Guard>> for Guards {
    fn from(guards: Vec<Guard>) -> Self {
        Self(guards.into())
    }
}
