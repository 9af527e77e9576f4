use std::error::Error;

/// Something is configured wrongly. The message names the variable, URL, field or route at fault and says
/// what was expected. It contains no secret.
///
/// The details may be in the [sources](Error::source). [`error_chain`](crate::error_chain) writes the error
/// and all its sources in one line.
///
/// # Examples
///
/// ```
/// use funcify::{Api, error_chain};
///
/// let error = Api::new("warehouse", "warehouse.example").unwrap_err();
/// let expected = "`Api::new`: the base URL: expected a URL: relative URL without a base";
/// assert_eq!(error_chain(&error), expected);
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// This process does not run on Lambda, which `funcify::run` requires.
    #[error(
        "AWS_LAMBDA_RUNTIME_API is not set: this process does not run on Lambda; \
         `funcify::local` runs a pipeline elsewhere"
    )]
    NotOnLambda,
    /// Your own set-up of the function failed. Wrap its error in this variant and pass it to `funcify::run`.
    #[error("the function cannot start")]
    Start(#[source] Box<dyn Error + Send + Sync>),
    /// The Lambda runtime ended, because the Runtime API did not answer.
    #[error("the Lambda runtime ended")]
    Runtime(#[source] Box<dyn Error + Send + Sync>),
    /// The feature of a store is off in this build.
    #[error("this build has no {feature} backend: switch on the feature `{feature}` of funcify")]
    FeatureDisabled {
        /// The feature to switch on.
        feature: &'static str,
    },
    /// A setting is missing or cannot be used.
    #[error("{what}")]
    #[non_exhaustive]
    Invalid {
        /// The setting, and what was expected.
        what: String,
        /// The error that says what is wrong with the setting.
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// Several parts of a configuration were checked together. This has every fault that was found.
    #[error("{what}: {}", faults.join("; "))]
    #[non_exhaustive]
    Faults {
        /// The configuration that was checked.
        what: &'static str,
        /// The faults, each as one sentence. There is at least one.
        faults: Vec<String>,
    },
}

impl ConfigError {
    /// A setting that cannot be used, without a source.
    pub(crate) fn invalid(what: impl Into<String>) -> Self {
        Self::Invalid { what: what.into(), source: None }
    }

    /// A setting that cannot be used, with the error that says why.
    pub(crate) fn because(
        what: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Invalid { what: what.into(), source: Some(source.into()) }
    }

    /// The faults in the configuration of a token.
    pub(crate) fn token(faults: Vec<String>) -> Self {
        Self::Faults { what: "invalid token configuration", faults }
    }
}
