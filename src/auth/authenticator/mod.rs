//! Who is calling: bearer tokens that an issuer's keys verify, or another source.

mod algorithm;
mod authorizer;
mod bearer;
mod caller;
mod claims;
mod error;
pub(crate) mod fault;
mod fetch;
mod identify;
mod jwk;
mod jwt;
mod key_cache;
mod key_set;
mod public_key;
mod url;
mod userinfo;
mod verify;

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use funcify_core::engine::{Clock, SystemClock};
use serde_json::{Value, value::RawValue};

pub use algorithm::Algorithm;
pub use caller::Caller;
pub use error::Unauthenticated;
pub(crate) use identify::Identify;
pub use key_set::KeySet;

use crate::client::client;
use jwt::Jwt;
use verify::Shared;

#[cfg(test)]
mod tests;

/// Finds out who is calling. Clones share their keys.
///
/// A bearer token must be a JWT (RFC 9068) of an issuer that you trust: name one [`KeySet`] for each
/// issuer. It is verified as RFC 8725 recommends. Each key set has its own rules, and its keys verify
/// the tokens of its issuer only. Keys are fetched when they are first needed, then kept and renewed:
/// a caller whose key is known does not wait.
///
/// Without a bearer token two other sources can name the caller:
/// [`authorizer_claims`](Self::authorizer_claims) and [`from_fn`](Self::from_fn). The order in which
/// you call these methods does not matter.
///
/// # Examples
///
/// ```
/// use funcify::{Authenticator, auth::{KeySet, Unauthenticated}};
///
/// let staff = KeySet::new("https://staff.example.com/jwks")
///     .issuer("https://staff.example.com/")
///     .audience("https://orders.example.com");
/// let shops = KeySet::new("https://shops.example.com/jwks")
///     .issuer("https://shops.example.com/")
///     .audience("https://orders.example.com");
/// let authenticator = Authenticator::new().keys(staff).keys(shops);
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let nobody = authenticator.identify(None, None).await;
/// assert!(matches!(nobody, Err(Unauthenticated::Missing)));
/// # });
/// ```
#[derive(Clone)]
pub struct Authenticator {
    key_sets: Vec<KeySet>,
    authorizer: bool,
    authorizer_permissions: Vec<String>,
    function: Option<Arc<Function>>,
    http: Option<reqwest::Client>,
    clock: Arc<dyn Clock>,
}

type Function = dyn Fn(Option<String>, Option<Value>) -> Identified + Send + Sync;
type Identified = Pin<Box<dyn Future<Output = Result<Caller, Unauthenticated>> + Send>>;

impl Authenticator {
    /// An authenticator that knows no caller: add at least one source.
    #[must_use]
    pub fn new() -> Self {
        Self {
            key_sets: Vec::new(),
            authorizer: false,
            authorizer_permissions: Vec::new(),
            function: None,
            http: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// An authenticator that asks `identify` who is calling. The arguments are the `Authorization`
    /// header and `requestContext.authorizer` of the event.
    ///
    /// Key sets and authorizer claims that you add are asked first; `identify` is asked only where
    /// there is neither a bearer token for a key set nor an authorizer's caller.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::{Authenticator, auth::{Caller, Unauthenticated}};
    ///
    /// let authenticator = Authenticator::from_fn(async |authorization: Option<String>, _| match authorization.as_deref() {
    ///     Some("ApiKey 42") => Ok(Caller::new("warehouse").with_permissions(["orders:**"])),
    ///     _ => Err(Unauthenticated::Missing),
    /// });
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let caller = authenticator.identify(Some("ApiKey 42"), None).await?;
    /// assert_eq!(caller.subject, "warehouse");
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
        Self { function: Some(function), ..Self::new() }
    }

    /// Trusts the tokens that this key set verifies. Call it once for each issuer: the `iss` of a
    /// token decides which key set verifies it.
    #[must_use]
    pub fn keys(mut self, key_set: KeySet) -> Self {
        self.http = self.http.or_else(|| client().ok());
        self.key_sets.push(key_set);
        self
    }

    /// Where there is no bearer token, trusts what an authorizer of API Gateway (Cognito, JWT, Lambda
    /// or IAM) or the IAM authorization of a function URL says about the caller.
    ///
    /// IAM names the caller by ARN and knows no permissions, so such a caller has none. To map ARNs to
    /// permissions, use [`from_fn`](Self::from_fn).
    #[must_use]
    pub fn authorizer_claims(mut self) -> Self {
        self.authorizer = true;
        self
    }

    /// Reads the permissions of an authorizer's caller from this claim instead of `scope`,
    /// `permissions` and `activities`. Call it again to read them from several claims.
    #[must_use]
    pub fn authorizer_permissions_claim(mut self, claim: impl Into<String>) -> Self {
        self.authorizer_permissions.push(claim.into());
        self
    }

    /// Fetches keys and userinfo with this HTTP client, which should follow no redirects. Use
    /// [`http_client`](crate::http_client) to trust another certificate authority.
    ///
    /// The type is that of reqwest 0.13: a new major version of it is a new major version of funcify.
    #[must_use]
    pub fn http(mut self, http: reqwest::Client) -> Self {
        self.http = Some(http);
        self
    }

    /// Takes the time from `clock`.
    #[doc(hidden)]
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Finds out who is calling.
    ///
    /// `authorization` is the `Authorization` header. `authorizer` is `requestContext.authorizer` of
    /// an event of API Gateway or of a function URL, or `requestContext.identity` where IAM authorizes
    /// a REST API. Never take `authorizer` from another source: there anyone could have written it.
    ///
    /// The pipeline does this for you; see
    /// [`Invocation::caller`](crate::pipeline::Invocation::caller). The sources are asked in this
    /// order: key sets, if a bearer token was sent; the authorizer, if you trust its claims; the
    /// function. A bearer token that is refused ends the search.
    ///
    /// # Errors
    ///
    /// [`Unauthenticated`] says why the caller is unknown.
    pub async fn identify(
        &self,
        authorization: Option<&str>,
        authorizer: Option<&RawValue>,
    ) -> Result<Caller, Unauthenticated> {
        if !self.key_sets.is_empty()
            && let Some(authorization) = authorization
            && let Some(token) = bearer::token(authorization)?
        {
            return self.verified(token).await;
        }
        if self.authorizer
            && let Some(authorizer) = authorizer
            && let Some(caller) = authorizer::caller(authorizer, &self.authorizer_permissions)?
        {
            return Ok(caller);
        }
        match &self.function {
            Some(function) => {
                let authorizer = authorizer.and_then(|raw| serde_json::from_str(raw.get()).ok());
                function(authorization.map(str::to_owned), authorizer).await
            }
            None => Err(Unauthenticated::Missing),
        }
    }

    async fn verified(&self, token: &str) -> Result<Caller, Unauthenticated> {
        let jwt = Jwt::parse(token)?;
        let issuer = jwt.issuer()?;
        let trusted = self.key_sets.iter().find(|key_set| key_set.is_of(issuer));
        trusted.ok_or(Unauthenticated::Issuer)?.verify(token, jwt, self.shared()).await
    }

    fn shared(&self) -> Shared<'_> {
        Shared { http: self.http.as_ref(), clock: &self.clock }
    }
}

impl Default for Authenticator {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("key_sets", &self.key_sets)
            .field("authorizer", &self.authorizer)
            .field("function", &self.function.is_some())
            .finish_non_exhaustive()
    }
}
