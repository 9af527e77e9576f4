use std::time::Duration;

/// The numbers in the rules of a token. Use the same in every function that shares a key.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use funcify_core::token::TokenPolicy;
///
/// let policy = TokenPolicy::default().with_lease(Duration::from_secs(6)).with_refresh_from(0.5);
/// assert_ne!(policy, TokenPolicy::default());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TokenPolicy {
    lease: Duration,
    refresh_from: f64,
}

impl TokenPolicy {
    /// How long one process may take to fetch the next token: 4 s unless given.
    ///
    /// It must be longer than a request to the provider may take. Otherwise a second process asks
    /// the provider as well.
    #[must_use]
    pub fn with_lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// The fraction of its lifetime from which on a token may be renewed: from 0.1 to 0.95, 0.75
    /// unless given. A getter with another fraction is not built.
    #[must_use]
    pub fn with_refresh_from(self, fraction: f64) -> Self {
        Self { refresh_from: fraction, ..self }
    }
}

#[doc(hidden)]
impl TokenPolicy {
    /// The fleet renews a token at most once in 30 s because an API rejected it.
    pub const FORCED_INTERVAL: Duration = Duration::from_secs(30);
    /// A refused secret, or a `Retry-After`, is remembered for at most 60 s.
    pub const LONGEST_PAUSE: Duration = Duration::from_secs(60);
    /// No token is assumed to live longer than 366 days.
    pub const LONGEST_LIFETIME: Duration = Duration::from_secs(86_400 * 366);

    /// How long one process may take to fetch the next token.
    #[must_use]
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// The fraction of its lifetime from which on a token may be renewed.
    #[must_use]
    pub fn refresh_from(&self) -> f64 {
        self.refresh_from
    }
}

impl Default for TokenPolicy {
    fn default() -> Self {
        Self { lease: Duration::from_secs(4), refresh_from: 0.75 }
    }
}
