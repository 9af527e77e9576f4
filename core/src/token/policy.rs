use std::time::Duration;

/// The numbers of the token's rules. The same in every function that shares a key.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use funcify_core::token::TokenPolicy;
///
/// let policy = TokenPolicy::default().with_lease(Duration::from_secs(6));
/// assert_eq!(policy.lease(), Duration::from_secs(6));
/// assert_eq!(policy.refresh_from(), 0.75);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TokenPolicy {
    lease: Duration,
    refresh_from: f64,
}

impl TokenPolicy {
    /// At most one renewal in 30 s for the whole fleet because an API rejected the token.
    pub const FORCED_INTERVAL: Duration = Duration::from_secs(30);
    /// A refusal of the credentials, and a `Retry-After`, is remembered for at most 60 s.
    pub const LONGEST_PAUSE: Duration = Duration::from_secs(60);
    /// No token is believed to live longer than 366 days.
    pub const LONGEST_LIFETIME: Duration = Duration::from_secs(86_400 * 366);

    /// How long one process may take to fetch the next token: 4 s unless given.
    ///
    /// Longer than a request to the provider may take, or a second process asks as well.
    #[must_use]
    pub fn with_lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// From which fraction of its lifetime on a token may be renewed: 0.75 unless given, and
    /// within 0.1 and 0.95.
    #[must_use]
    pub fn with_refresh_from(self, fraction: f64) -> Self {
        let refresh_from = if fraction.is_nan() { 0.75 } else { fraction.clamp(0.1, 0.95) };
        Self { refresh_from, ..self }
    }

    /// How long one process may take to fetch the next token.
    #[must_use]
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// From which fraction of its lifetime on a token may be renewed.
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
