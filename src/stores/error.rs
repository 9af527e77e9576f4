use std::error::Error;

/// Why no store could be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The variable is not set.
    #[error(
        "{variable} is not set{}: expected the URL of a backend, one of memory:, redis://host, \
         dynamodb://table, ssm:///path",
        if *variable == "FUNCIFY_BACKEND" { "" } else { ", nor FUNCIFY_BACKEND for both" }
    )]
    Missing {
        /// The variable.
        variable: &'static str,
    },
    /// The variable is set to an invalid value.
    #[error("{variable} cannot be used")]
    Variable {
        /// The variable.
        variable: &'static str,
        /// What is wrong with the value.
        #[source]
        fault: Box<ConfigError>,
    },
    /// The value is not Unicode text.
    #[error("expected text, got bytes that are not valid Unicode")]
    NotUnicode,
    /// The URL has an unknown scheme.
    #[error(
        "expected memory:, redis://, rediss://, redis-cluster://, rediss-cluster://, dynamodb:// or \
         ssm:///, got the scheme {scheme:?}"
    )]
    UnknownScheme {
        /// The scheme in the URL; empty if it may be part of a password.
        scheme: String,
    },
    /// The memory backend has no options.
    #[error("expected memory: alone: the memory backend has no host, path or options")]
    MemoryOption,
    /// A key that seals tokens is invalid. The error contains no part of the value, because what
    /// looks like an id may be a key in the wrong place.
    #[error("seal key {place} is invalid: expected {expected}")]
    SealKey {
        /// The place of the key in the list, counted from 1.
        place: usize,
        /// What was expected.
        expected: &'static str,
    },
    /// This build does not include the backend.
    #[error("this build has no {feature} backend: switch on the feature `{feature}` of funcify")]
    FeatureDisabled {
        /// The feature to switch on.
        feature: &'static str,
    },
    /// The backend refused its URL or its set-up.
    #[error("the URL of the {backend} backend cannot be used")]
    Refused {
        /// The feature of the backend.
        backend: &'static str,
        /// What the backend reported.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}
