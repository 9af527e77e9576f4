use std::error::Error;

/// The set-up is wrong. The message names the variable, URL, field or route at fault and says what was
/// expected. It contains no secret.
///
/// The details of a fault may be among the [sources](Error::source):
/// [`error_chain`](crate::error_chain) writes all of them in one line.
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
    /// Lambda did not start this process.
    #[error(
        "AWS_LAMBDA_RUNTIME_API is not set: this process does not run on Lambda; \
         `funcify::local` runs a pipeline elsewhere"
    )]
    NotOnLambda,
    /// The function could not be set up, for a reason of its own.
    #[error("the function cannot start")]
    Start(#[source] Box<dyn Error + Send + Sync>),
    /// The Lambda runtime ended, because the Runtime API does not answer.
    #[error("the Lambda runtime ended")]
    Runtime(#[source] Box<dyn Error + Send + Sync>),
    /// This build does not include the store.
    #[error("this build has no {feature} backend: switch on the feature `{feature}` of funcify")]
    FeatureDisabled {
        /// The feature to switch on.
        feature: &'static str,
    },
    /// A setting is missing or cannot be used.
    #[error("{what}")]
    #[non_exhaustive]
    Invalid {
        /// Which setting, and what was expected.
        what: String,
        /// What is wrong with it.
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// The parts do not make a whole. Names every fault at once.
    #[error("{what}: {}", faults.join("; "))]
    #[non_exhaustive]
    Faults {
        /// What was to be built.
        what: &'static str,
        /// What is wrong, a sentence each. There is at least one.
        faults: Vec<String>,
    },
}

impl ConfigError {
    /// A setting that cannot be used, with nothing more to say about it.
    pub(crate) fn invalid(what: impl Into<String>) -> Self {
        Self::Invalid { what: what.into(), source: None }
    }

    /// A setting that cannot be used, and what is wrong with it.
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
