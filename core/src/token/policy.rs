use std::time::Duration;

/// When a fleet renews its token, and how long that may take.
///
/// Use the same policy in every function that shares the key of a token. The builder of a `TokenGetter`
/// returns an error if a value is out of its range.
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
    /// How long one process may take to fetch the next token: more than `request_timeout`. The default is
    /// 4 s.
    ///
    /// If the lease ended before the request, a second process would ask the provider as well.
    pub lease: Duration,
    /// How long one request to the provider may take: more than zero, and less than `lease`. The default
    /// is 3 s, which leaves one second of the lease to store the token.
    pub request_timeout: Duration,
    /// The fraction of its lifetime after which a token may be renewed: 0.1 to 0.95. The default is 0.75.
    ///
    /// If less than 100 s of the lifetime would be left then, the token may be renewed earlier: 100 s before
    /// its end, or after half of its lifetime, whichever is later.
    pub refresh_from: f64,
    /// How long a token is valid if neither the provider nor the token itself states it: 1 s to 366 days.
    /// The default is 5 minutes, as in Keycloak, whose default is the shortest of the common providers.
    pub default_lifetime: Duration,
}

#[doc(hidden)]
impl TokenPolicy {
    /// Returns after how long a token with this lifetime may be renewed, counted from its request.
    #[must_use]
    pub fn refresh_after(&self, lifetime: Duration) -> Duration {
        let wide = lifetime.saturating_sub(Self::FLEET_WINDOW).max(lifetime / 2);
        lifetime.mul_f64(self.refresh_from).min(wide)
    }

    /// How often the fleet renews a token because an API rejected it: at most once in 30 s.
    pub const FORCED_INTERVAL: Duration = Duration::from_secs(30);
    /// How long a refused secret, or a `Retry-After`, is remembered at most: 60 s.
    pub const LONGEST_PAUSE: Duration = Duration::from_secs(60);
    /// How far in the future the request time of a believed token may be: 30 s. If the clocks of two
    /// processes differ by more, they do not share tokens. So nobody uses a token for more than 30 s after
    /// its end.
    pub const MINTED_AHEAD: Duration = Duration::from_secs(30);
    /// The shortest time in which instances renew a token, 100 s, if the token's lifetime allows it. If the
    /// store is down, each of 1,000 instances asks the provider. Spread over 85 % of this time, these are 12
    /// requests a second.
    pub const FLEET_WINDOW: Duration = Duration::from_secs(100);
    /// How long the record says at most that the store cannot hold the token: an hour.
    pub const LONGEST_UNSHARED: Duration = Duration::from_secs(3_600);
    /// The longest lifetime that a reader believes: 366 days.
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
