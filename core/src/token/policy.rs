use std::time::Duration;

/// The numbers in the rules of a token. Use the same in every function that shares a key.
///
/// A getter is not built if one of them is out of its range.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use funcify_core::token::TokenPolicy;
///
/// let mut policy = TokenPolicy::default();
/// policy.lease = Duration::from_secs(6);
/// policy.request_timeout = Duration::from_secs(5);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TokenPolicy {
    /// How long one process may take to fetch the next token. The default is 4 s.
    ///
    /// It must be longer than `request_timeout`. Otherwise a second process asks the provider as
    /// well.
    pub lease: Duration,
    /// How long one request to the provider may take: more than zero, less than `lease`. The default
    /// is 3 s, which leaves a second of the lease to publish the token.
    pub request_timeout: Duration,
    /// The fraction of its lifetime from which on a token may be renewed: 0.1 to 0.95. The default
    /// is 0.75. A token that would then have less than 100 s left may be renewed from that point on, or
    /// from half of its lifetime.
    pub refresh_from: f64,
    /// How long a token lives if neither the provider nor the token itself states it: 1 s to 366
    /// days. The default is 5 minutes: that of Keycloak, the shortest among the common providers.
    pub default_lifetime: Duration,
}

#[doc(hidden)]
impl TokenPolicy {
    /// How long after it was minted a token with this lifetime may be renewed.
    #[must_use]
    pub fn refresh_after(&self, lifetime: Duration) -> Duration {
        let wide = lifetime.saturating_sub(Self::FLEET_WINDOW).max(lifetime / 2);
        lifetime.mul_f64(self.refresh_from).min(wide)
    }

    /// The fleet renews a token at most once in 30 s because an API rejected it.
    pub const FORCED_INTERVAL: Duration = Duration::from_secs(30);
    /// A refused secret, or a `Retry-After`, is remembered for at most 60 s.
    pub const LONGEST_PAUSE: Duration = Duration::from_secs(60);
    /// A token is believed if it was minted at most 30 s from now: by so much may the clocks of a fleet
    /// differ before they stop sharing tokens. Nobody then uses a token for more than 30 s after its end.
    pub const MINTED_AHEAD: Duration = Duration::from_secs(30);
    /// The refresh window is as long as this if the token's lifetime allows it: if the store is down,
    /// 1,000 instances that refresh evenly over 85 % of it send the provider 12 requests a second.
    pub const FLEET_WINDOW: Duration = Duration::from_secs(100);
    /// That a store cannot hold a token is remembered for at most an hour.
    pub const LONGEST_UNSHARED: Duration = Duration::from_secs(3_600);
    /// No token is assumed to live longer than 366 days.
    pub const LONGEST_LIFETIME: Duration = Duration::from_secs(86_400 * 366);
}

impl Default for TokenPolicy {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(4),
            request_timeout: Duration::from_secs(3),
            refresh_from: 0.75,
            default_lifetime: Duration::from_secs(300),
        }
    }
}
