use std::{sync::Arc, time::Duration};

use crate::auth::authenticator::Identify;
use crate::auth::policy::AccessPolicy;
use crate::pipeline::guards::Guards;
use crate::pipeline::http::dispatch::Http;
use crate::pipeline::metrics::PipelineSeries;
use crate::pipeline::records::routes::RecordRoutes;

/// Everything that is configured for a function.
pub(super) struct Rules {
    pub(super) http: Option<Http>,
    pub(super) routes: RecordRoutes,
    pub(super) guards: Guards,
    pub(super) authenticator: Option<Arc<dyn Identify>>,
    pub(super) policy: Option<Arc<AccessPolicy>>,
    pub(super) margin: Duration,
    /// The text that is removed from the front of each path.
    pub(super) base_path: Box<str>,
    /// The metrics of this pipeline.
    pub(super) series: Arc<PipelineSeries>,
}
