//! The error for a URL that a backend refuses.

use crate::config_error::ConfigError;

pub(super) fn refused<E: std::error::Error + Send + Sync + 'static>(
    backend: &'static str,
) -> impl FnOnce(E) -> ConfigError {
    move |source| {
        ConfigError::because(format!("the URL of the {backend} backend cannot be used"), source)
    }
}
