use crate::client::HTTPS_REQUIRED;

/// What is wrong with the configuration of an [`Authenticator`](super::Authenticator).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuthenticatorFault {
    /// Keys or claims may not be fetched from the URL.
    #[error("{HTTPS_REQUIRED}, without user name and password, as the {what}, got {got:?}")]
    Url {
        /// `key set` or `userinfo endpoint`.
        what: &'static str,
        /// The URL as errors show it.
        got: String,
    },
    /// Without an issuer, no token can belong to the key set.
    #[error("the key set {url:?} needs an issuer: `.issuer(…)`")]
    Issuer {
        /// The URL of the key set, as errors show it.
        url: String,
    },
    /// Without an audience, tokens for every other service would be accepted.
    #[error("the key set {url:?} needs an audience: `.audience(…)`")]
    Audience {
        /// The URL of the key set, as errors show it.
        url: String,
    },
    /// Without an algorithm, no token can be verified.
    #[error("the key set {url:?} allows no algorithm: `.algorithms(…)`")]
    Algorithms {
        /// The URL of the key set, as errors show it.
        url: String,
    },
    /// Two key sets have one issuer, and only the first would be used.
    #[error("the issuer {issuer:?} has two key sets: remove one `.keys(…)`")]
    Duplicate {
        /// The issuer, as errors show it.
        issuer: String,
    },
    /// It is not known where the keys of such a load balancer are published.
    #[error("expected the ARN of an Application Load Balancer, got {got:?}")]
    LoadBalancer {
        /// What was given.
        got: String,
    },
    /// The root certificates cannot be used, or TLS cannot be set up.
    #[error("{0}")]
    Client(String),
}
