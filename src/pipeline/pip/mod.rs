//! Who is calling: bearer tokens against an issuer's keys, or what another source says.

mod algorithm;
mod authorizer;
mod bearer;
mod caller;
mod claims;
mod error;
mod fetch;
mod issuer;
mod jwk;
mod jwks;
mod jwt;
mod members;
mod userinfo;

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use funcify_core::{Clock, SystemClock};
use reqwest::Url;
use serde_json::{Value, value::RawValue};

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use caller::Caller;
pub use error::{PipFault, Unauthenticated};
use fetch::Fetch;
use issuer::{Terms, TrustedIssuer};
use jwks::{KeySet, Pace};
use jwt::Jwt;
use userinfo::Userinfo;

#[cfg(test)]
mod tests;

/// What a request brought to say who is calling.
#[derive(Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// `requestContext.authorizer` of an API Gateway event; of no other, since there anyone could
    /// have written it.
    pub authorizer: Option<&'a RawValue>,
}

/// Finds out who is calling. Clones share their keys and replies.
///
/// Tokens are JWTs, verified as RFC 8725 and RFC 9068 ask for: the issuer is known and its keys are
/// used for its tokens only, the algorithm is allowed and is the key's, the token is meant for us and
/// is valid now. Keys are fetched when first needed and kept; a key that is known costs no wait.
///
/// # Examples
///
/// ```
/// use funcify::pipeline::pip::{Credentials, Pip, Unauthenticated};
///
/// let pip = Pip::jwks("https://login.example.com/.well-known/jwks.json")
///     .issuer("https://login.example.com/")
///     .audience("https://orders.example.com");
/// assert!(pip.faults().is_empty());
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let nobody = pip.identify(&Credentials::default()).await;
/// assert!(matches!(nobody, Err(Unauthenticated::Missing)));
/// # });
/// ```
#[derive(Clone)]
pub struct Pip {
    issuers: Vec<TrustedIssuer>,
    algorithms: Vec<Algorithm>,
    activities: Vec<String>,
    authorizer: bool,
    function: Option<Arc<Function>>,
    fetch: Fetch,
    clock: Arc<dyn Clock>,
    misplaced: Vec<PipFault>,
}

type Function = dyn Fn(Option<String>, Option<Value>) -> Identified + Send + Sync;
type Identified = Pin<Box<dyn Future<Output = Result<Caller, Unauthenticated>> + Send>>;

impl Pip {
    /// Verifies bearer tokens against the JSON Web Key Set at `url`.
    ///
    /// An [`issuer`](Self::issuer) and an [`audience`](Self::audience) must follow.
    #[must_use]
    pub fn jwks(url: &str) -> Self {
        let mut pip = Self::empty();
        match Url::parse(url) {
            Ok(url) => pip.issuers.push(TrustedIssuer {
                keys: Arc::new(KeySet::new(url, Pace::DEFAULT)),
                issuer: None,
                audiences: Vec::new(),
                userinfo: None,
            }),
            Err(_) => pip.misplaced.push(not_a_url("key set", url)),
        }
        match crate::http::client() {
            Ok(client) => pip.client(client),
            Err(_) => {
                pip.misplaced.push(PipFault::Client);
                pip
            }
        }
    }

    /// Asks `identify` who is calling, with the `Authorization` header and API Gateway's
    /// `requestContext.authorizer`.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::pipeline::pip::{Caller, Credentials, Pip, Unauthenticated};
    ///
    /// let pip = Pip::from_fn(async |authorization: Option<String>, _| match authorization.as_deref() {
    ///     Some("ApiKey 42") => Ok(Caller::new("warehouse").with_activities(["orders:**"])),
    ///     _ => Err(Unauthenticated::Missing),
    /// });
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let key = Credentials { authorization: Some("ApiKey 42"), ..Credentials::default() };
    /// assert_eq!(pip.identify(&key).await?.subject(), "warehouse");
    /// # Ok::<(), Unauthenticated>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn from_fn<F, R>(identify: F) -> Self
    where
        F: Fn(Option<String>, Option<Value>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Caller, Unauthenticated>> + Send + 'static,
    {
        let function: Arc<Function> =
            Arc::new(move |authorization, authorizer| Box::pin(identify(authorization, authorizer)));
        Self { function: Some(function), ..Self::empty() }
    }

    /// Trusts tokens whose `iss` is exactly this. Said of the key set before it.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        match self.issuers.last_mut() {
            Some(last) => last.issuer = Some(issuer.into()),
            None => self.misplaced.push(PipFault::NoKeySet { what: "an issuer" }),
        }
        self
    }

    /// Trusts tokens that are meant for `audience`; said twice, for either. Said of the key set
    /// before it.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        match self.issuers.last_mut() {
            Some(last) => last.audiences.push(audience.into()),
            None => self.misplaced.push(PipFault::NoKeySet { what: "an audience" }),
        }
        self
    }

    /// Where [`Caller::userinfo`] asks. Said of the key set before it.
    #[must_use]
    pub fn userinfo(mut self, url: &str) -> Self {
        match (self.issuers.last_mut(), Url::parse(url)) {
            (Some(last), Ok(url)) => last.userinfo = Some(Arc::new(Userinfo::new(url))),
            (Some(_), Err(_)) => self.misplaced.push(not_a_url("userinfo endpoint", url)),
            (None, _) => self.misplaced.push(PipFault::NoKeySet { what: "a userinfo endpoint" }),
        }
        self
    }

    /// Trusts the issuers of `other` as well.
    ///
    /// Whose keys verify a token is decided by the token's `iss`, so no issuer can speak for another.
    /// What is said of all of them (algorithms, clock, client, …) is what was said of `self`.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::pipeline::pip::Pip;
    ///
    /// let staff = Pip::jwks("https://staff.example.com/jwks").issuer("https://staff.example.com");
    /// let shops = Pip::jwks("https://shops.example.com/jwks").issuer("https://shops.example.com");
    /// let both = staff.audience("orders").and(shops.audience("orders"));
    /// assert!(both.faults().is_empty());
    /// ```
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.issuers.extend(other.issuers);
        self.misplaced.extend(other.misplaced);
        self.authorizer |= other.authorizer;
        self.function = self.function.or(other.function);
        self.fetch.client = self.fetch.client.or(other.fetch.client);
        self
    }

    /// Allows these algorithms instead of [`Algorithm::DEFAULT`].
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Looks for activities in this claim, instead of in `scope`, `permissions` and `activities`;
    /// said twice, in either.
    #[must_use]
    pub fn activities_claim(mut self, claim: impl Into<String>) -> Self {
        self.activities.push(claim.into());
        self
    }

    /// Where no bearer token was sent, believes what API Gateway's own authorizer (Cognito, JWT or
    /// Lambda) says of the caller.
    #[must_use]
    pub fn authorizer_claims(mut self) -> Self {
        self.authorizer = true;
        self
    }

    /// Fetches keys and userinfo with this client, for one that trusts another certificate authority
    /// say. It should follow no redirects.
    #[must_use]
    pub fn client(mut self, client: reqwest::Client) -> Self {
        self.fetch.client = Some(client);
        self
    }

    /// Allows plain http where it does not leave the machine: for tests and local runs.
    #[must_use]
    pub fn allow_loopback(mut self) -> Self {
        self.fetch.loopback = true;
        self
    }

    /// Takes the time from `clock`.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Everything that is wrong with the configuration, at once. With a fault, nobody is identified
    /// by what it concerns.
    #[must_use]
    pub fn faults(&self) -> Vec<PipFault> {
        let mut faults = self.misplaced.clone();
        if self.algorithms.is_empty() {
            faults.push(PipFault::Algorithms);
        }
        for (place, issuer) in self.issuers.iter().enumerate() {
            let url = shown(issuer.keys.url());
            if !self.fetch.may(issuer.keys.url()) {
                faults.push(PipFault::Url { what: "key set", got: url.clone() });
            }
            if let Some(userinfo) = &issuer.userinfo
                && !self.fetch.may(userinfo.url())
            {
                let got = shown(userinfo.url());
                faults.push(PipFault::Url { what: "userinfo endpoint", got });
            }
            if issuer.audiences.is_empty() || issuer.audiences.iter().any(String::is_empty) {
                faults.push(PipFault::Audience { url: url.clone() });
            }
            match &issuer.issuer {
                Some(name) if !name.is_empty() => {
                    if self.issuers.iter().take(place).any(|other| other.issuer == issuer.issuer) {
                        faults.push(PipFault::Duplicate { issuer: name.clone() });
                    }
                }
                _ => faults.push(PipFault::Issuer { url }),
            }
        }
        faults
    }

    /// Finds out who is calling: by the bearer token if one was sent, else by API Gateway's
    /// authorizer if that was asked for, else by the function if there is one.
    ///
    /// A bearer token that is refused is refused: no other source is asked then.
    ///
    /// # Errors
    ///
    /// [`Unauthenticated`], which says why nobody is known to be calling.
    pub async fn identify(&self, credentials: &Credentials<'_>) -> Result<Caller, Unauthenticated> {
        if !self.issuers.is_empty()
            && let Some(authorization) = credentials.authorization
            && let Some(token) = bearer::token(authorization)?
        {
            return self.verified(token).await;
        }
        if self.authorizer
            && let Some(authorizer) = credentials.authorizer
            && let Some(caller) = authorizer::caller(authorizer, &self.activities)?
        {
            return Ok(caller);
        }
        match &self.function {
            Some(function) => {
                let authorizer =
                    credentials.authorizer.and_then(|raw| serde_json::from_str(raw.get()).ok());
                function(credentials.authorization.map(str::to_owned), authorizer).await
            }
            None => Err(Unauthenticated::Missing),
        }
    }

    /// Renews key sets that have grown old, if there are any: to be run beside a handler.
    ///
    /// Dropped half-way it loses nothing: the next call goes on with the same fetch. Nothing waits for
    /// it; without it, one call an hour waits for the keys for a second at most.
    pub async fn refresh(&self) {
        for issuer in &self.issuers {
            issuer.keys.renew(&self.fetch, &*self.clock).await;
        }
    }

    async fn verified(&self, token: &str) -> Result<Caller, Unauthenticated> {
        let jwt = Jwt::parse(token)?;
        let named = jwt.issuer()?;
        let trusted = self.issuers.iter().find(|issuer| issuer.issuer.as_deref() == Some(named));
        let terms = Terms {
            algorithms: &self.algorithms,
            activities: &self.activities,
            fetch: &self.fetch,
            clock: &self.clock,
        };
        trusted.ok_or(Unauthenticated::Issuer)?.verify(token, &jwt, &terms).await
    }

    fn empty() -> Self {
        Self {
            issuers: Vec::new(),
            algorithms: Algorithm::DEFAULT.to_vec(),
            activities: Vec::new(),
            authorizer: false,
            function: None,
            fetch: Fetch::default(),
            clock: Arc::new(SystemClock),
            misplaced: Vec::new(),
        }
    }
}

impl fmt::Debug for Pip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pip")
            .field("issuers", &self.issuers)
            .field("algorithms", &self.algorithms)
            .field("authorizer", &self.authorizer)
            .field("function", &self.function.is_some())
            .finish_non_exhaustive()
    }
}

/// Says which of them were sent, and not what they were.
impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("authorization", &self.authorization.is_some())
            .field("authorizer", &self.authorizer.is_some())
            .finish()
    }
}

/// An address as it may be shown: without user, password and query.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Both fail only where there is no host, and so nothing to remove.
    let _ = (url.set_username(""), url.set_password(None));
    url.into()
}

/// What is no URL is shown up to where a password could stand in it.
fn not_a_url(what: &'static str, text: &str) -> PipFault {
    let got = match text.contains(['@', '?']) {
        true => "…".to_owned(),
        false => text.chars().take(80).collect(),
    };
    PipFault::Url { what, got }
}
