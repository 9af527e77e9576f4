//! Who is calling: bearer tokens against an issuer's keys, or what another source says.

mod algorithm;
mod authorizer;
mod bearer;
mod builder;
mod caller;
mod claims;
mod error;
mod fetch;
mod issuer;
mod jwk;
mod jwks;
mod jwt;
mod userinfo;

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use async_trait::async_trait;
use funcify_core::{
    circuit::CircuitStateProvider,
    engine::{Clock, SystemClock},
};
use reqwest::Url;
use serde_json::{Value, value::RawValue};

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use caller::Caller;
pub use error::{AuthenticatorFault, Unauthenticated};
use fetch::Fetch;
use issuer::{Terms, TrustedIssuer};
use jwks::{KeySet, PollPolicy};
use jwt::Jwt;

#[cfg(test)]
mod tests;

/// What a request brought to say who is calling.
#[derive(Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// `requestContext.authorizer` of an event of API Gateway or of a function URL; of no other, since
    /// there anyone could have written it. Where IAM authorises a REST API, `requestContext.identity`.
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
/// use funcify::auth::{Credentials, Authenticator, Unauthenticated};
///
/// let authenticator = Authenticator::jwks("https://login.example.com/.well-known/jwks.json")
///     .issuer("https://login.example.com/")
///     .audience("https://orders.example.com");
/// assert!(authenticator.faults().is_empty());
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let nobody = authenticator.identify(&Credentials::default()).await;
/// assert!(matches!(nobody, Err(Unauthenticated::Missing)));
/// # });
/// ```
#[derive(Clone)]
pub struct Authenticator {
    issuers: Vec<TrustedIssuer>,
    algorithms: Vec<Algorithm>,
    permissions: Vec<String>,
    authorizer: bool,
    function: Option<Arc<Function>>,
    fetch: Fetch,
    clock: Arc<dyn Clock>,
    misplaced: Vec<AuthenticatorFault>,
}

type Function = dyn Fn(Option<String>, Option<Value>) -> Identified + Send + Sync;
type Identified = Pin<Box<dyn Future<Output = Result<Caller, Unauthenticated>> + Send>>;

impl Authenticator {
    /// Verifies bearer tokens against the JSON Web Key Set at `url`.
    ///
    /// An [`issuer`](Self::issuer) and an [`audience`](Self::audience) must follow.
    #[must_use]
    pub fn jwks(url: &str) -> Self {
        let mut authenticator = Self::empty();
        match Url::parse(url) {
            Ok(url) => authenticator.issuers.push(TrustedIssuer {
                keys: Arc::new(KeySet::new(url, PollPolicy::DEFAULT)),
                issuer: None,
                audience_claim: "aud".to_owned(),
                audiences: Vec::new(),
                userinfo: None,
                circuit: None,
            }),
            Err(_) => authenticator.misplaced.push(builder::not_a_url("key set", url)),
        }
        match crate::client::client() {
            Ok(client) => authenticator.client(client),
            Err(_) => {
                authenticator.misplaced.push(AuthenticatorFault::Client);
                authenticator
            }
        }
    }

    /// Asks `identify` who is calling, with the `Authorization` header and API Gateway's
    /// `requestContext.authorizer`.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::auth::{Caller, Credentials, Authenticator, Unauthenticated};
    ///
    /// let authenticator = Authenticator::from_fn(async |authorization: Option<String>, _| match authorization.as_deref() {
    ///     Some("ApiKey 42") => Ok(Caller::new("warehouse").with_permissions(["orders:**"])),
    ///     _ => Err(Unauthenticated::Missing),
    /// });
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let key = Credentials { authorization: Some("ApiKey 42"), ..Credentials::default() };
    /// assert_eq!(authenticator.identify(&key).await?.subject(), "warehouse");
    /// # Ok::<(), Unauthenticated>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn from_fn<F, R>(identify: F) -> Self
    where
        F: Fn(Option<String>, Option<Value>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Caller, Unauthenticated>> + Send + 'static,
    {
        let function: Arc<Function> = Arc::new(move |authorization, authorizer| {
            Box::pin(identify(authorization, authorizer))
        });
        Self { function: Some(function), ..Self::empty() }
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
            && let Some(caller) = authorizer::caller(authorizer, &self.permissions)?
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

    async fn verified(&self, token: &str) -> Result<Caller, Unauthenticated> {
        let jwt = Jwt::parse(token)?;
        let named = jwt.issuer()?;
        let trusted = self.issuers.iter().find(|issuer| issuer.issuer.as_deref() == Some(named));
        let terms = Terms {
            algorithms: &self.algorithms,
            permissions: &self.permissions,
            fetch: &self.fetch,
            clock: &self.clock,
        };
        trusted.ok_or(Unauthenticated::Issuer)?.verify(token, jwt, &terms).await
    }

    fn empty() -> Self {
        Self {
            issuers: Vec::new(),
            algorithms: Algorithm::DEFAULT.to_vec(),
            permissions: Vec::new(),
            authorizer: false,
            function: None,
            fetch: Fetch::default(),
            clock: Arc::new(SystemClock),
            misplaced: Vec::new(),
        }
    }
}

/// What a pipeline asks of its [`Authenticator`]: behind a pointer, so that a function without one carries
/// neither an HTTP client nor a verifier of signatures.
#[async_trait]
pub(crate) trait Identify: fmt::Debug + Send + Sync {
    fn faults(&self) -> Vec<AuthenticatorFault>;
    fn with_circuits(self: Box<Self>, store: &Arc<dyn CircuitStateProvider>) -> Box<dyn Identify>;
    async fn identify(&self, credentials: &Credentials<'_>) -> Result<Caller, Unauthenticated>;

    /// Renews key sets that have grown old, if there are any. Dropped half-way it loses nothing: the
    /// next to ask goes on with the same fetch.
    async fn renew_old_keys(&self);
}

#[async_trait]
impl Identify for Authenticator {
    fn faults(&self) -> Vec<AuthenticatorFault> {
        Self::faults(self)
    }

    fn with_circuits(self: Box<Self>, store: &Arc<dyn CircuitStateProvider>) -> Box<dyn Identify> {
        Box::new((*self).circuits(store))
    }

    async fn identify(&self, credentials: &Credentials<'_>) -> Result<Caller, Unauthenticated> {
        Self::identify(self, credentials).await
    }

    async fn renew_old_keys(&self) {
        for issuer in &self.issuers {
            issuer.keys.renew(&self.fetch.through(issuer.circuit.as_ref()), &*self.clock).await;
        }
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
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
