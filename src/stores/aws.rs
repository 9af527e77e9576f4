//! The AWS configuration that the stores share.

use funcify_backend_aws::{SdkConfig, ca_bundle, sdk_config};
use funcify_core::engine::TimeLimits;

use super::refused::refused;
use crate::client::{build, tls_trusting};
use crate::config_error::ConfigError;

/// The AWS configuration of all stores, loaded once. A store with another limit for connecting gets a new
/// one.
///
/// It uses the same HTTP client as the rest of funcify: a function then contains one HTTP stack, and its root
/// certificates need no parsing at start.
#[derive(Default)]
pub(super) struct Aws(Option<(TimeLimits, SdkConfig)>);

impl Aws {
    pub(super) async fn config(
        &mut self,
        backend: &'static str,
        limits: TimeLimits,
    ) -> Result<&SdkConfig, ConfigError> {
        let connect_timeout = limits.connect_timeout();
        let loaded = match self.0.take() {
            Some(loaded) if loaded.0.connect_timeout() == connect_timeout => loaded,
            _ => {
                let trusted = ca_bundle().map_err(refused(backend))?;
                let tls = tls_trusting(&trusted).map_err(refused(backend))?;
                let new_client =
                    move || build(tls.clone(), connect_timeout, None).map_err(Into::into);
                (limits, sdk_config(limits, new_client).await)
            }
        };
        Ok(&self.0.insert(loaded).1)
    }
}
