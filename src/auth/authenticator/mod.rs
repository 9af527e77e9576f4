//! Identifies the caller: by a bearer token that an issuer's keys verify, or by another source.

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
mod load_balancer;
mod public_key;
mod url;
mod userinfo;
mod verify;
mod weak_rsa;

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use funcify_core::engine::{Clock, SystemClock};
use serde_json::Value;

pub use algorithm::Algorithm;
pub use caller::Caller;
pub use error::Unauthenticated;
pub(crate) use identify::Identify;
pub use key_set::KeySet;

use crate::auth::authenticator::fault::AuthenticatorFault;
use crate::auth::authenticator::load_balancer::LoadBalancer;
use crate::client::{client, client_trusting};
use crate::error_chain;

#[cfg(test)]
mod tests;

/// Identifies the caller of a request. Clones share their keys.
///
/// A bearer token must be a JWT (RFC 9068) of an issuer that you trust: add one [`KeySet`] for each issuer.
/// The token is verified as RFC 8725 recommends. Each key set has its own rules, and its keys verify only the
/// tokens of its issuer. Keys are fetched when they are first needed, kept, and renewed while handlers wait
/// for other things, so a caller whose key is known does not wait.
///
/// A key that the issuer has withdrawn is trusted for ten minutes at most while the issuer answers. If the
/// issuer does not answer, its keys are trusted for a day after the last answer.
///
/// Without a bearer token, other sources can name the caller. They are asked in this order:
/// [`load_balancer`](Self::load_balancer), [`authorizer_claims`](Self::authorizer_claims),
/// [`from_fn`](Self::from_fn). After a bearer token that is refused, no other source is asked. The order in
/// which you call these methods does not matter.
///
/// Give the authenticator to a pipeline. [`Invocation::caller`](crate::Invocation::caller) then names the
/// caller.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use funcify::{Authenticator, Invocation, Pipeline, Problem, auth::KeySet, testing::TestEvent};
///
/// let staff = KeySet::new("https://staff.example.com/jwks")
///     .issuer("https://staff.example.com/")
///     .audience("https://orders.example.com");
/// let shops = KeySet::new("https://shops.example.com/jwks")
///     .issuer("https://shops.example.com/")
///     .audience("https://orders.example.com");
/// let authenticator = Authenticator::new().keys(staff).keys(shops);
///
/// async fn whoami(invocation: Invocation) -> Result<String, Problem> {
///     Ok(invocation.caller().await?.subject.clone())
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let router = Router::new().route("/me", get(whoami));
/// let pipeline = Pipeline::builder(()).http(router).authenticator(authenticator).build()?;
/// let nobody = TestEvent::get("/me").send(&pipeline).await?;
/// assert_eq!(nobody.http().unwrap().status(), 401);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Authenticator {
    key_sets: Vec<KeySet>,
    /// The claims that are read for permissions, if an authorizer is trusted.
    authorizer: Option<Vec<String>>,
    load_balancer: Option<Result<LoadBalancer, AuthenticatorFault>>,
    function: Option<Arc<Function>>,
    /// The HTTP client, if a key set or root certificates were added.
    http: Option<Result<reqwest::Client, AuthenticatorFault>>,
    clock: Arc<dyn Clock>,
}

type Function = dyn Fn(Option<String>, Option<Value>) -> Identified + Send + Sync;
type Identified = Pin<Box<dyn Future<Output = Result<Caller, Unauthenticated>> + Send>>;

impl Authenticator {
    /// An authenticator without a source. It identifies no caller until you add a source.
    #[must_use]
    pub fn new() -> Self {
        Self {
            key_sets: Vec::new(),
            authorizer: None,
            load_balancer: None,
            function: None,
            http: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// An authenticator that asks `identify` who is calling. The arguments are the `Authorization`
    /// header and `requestContext.authorizer` of the event.
    ///
    /// `identify` is asked last: only if no key set, load balancer or authorizer that you added applies to
    /// the request.
    ///
    /// # Examples
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use funcify::{Authenticator, Invocation, Pipeline, Problem, testing::TestEvent};
    /// use funcify::auth::{Caller, Unauthenticated};
    ///
    /// let identify = async |authorization: Option<String>, _| match authorization.as_deref() {
    ///     Some("ApiKey 42") => {
    ///         let mut caller = Caller::new("warehouse");
    ///         caller.permissions = vec!["orders:**".to_owned()];
    ///         Ok(caller)
    ///     }
    ///     _ => Err(Unauthenticated::Missing),
    /// };
    ///
    /// async fn whoami(invocation: Invocation) -> Result<String, Problem> {
    ///     Ok(invocation.caller().await?.subject.clone())
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let pipeline = Pipeline::builder(())
    ///     .http(Router::new().route("/me", get(whoami)))
    ///     .authenticator(Authenticator::from_fn(identify))
    ///     .build()?;
    /// let event = TestEvent::get("/me").header("authorization", "ApiKey 42");
    /// assert_eq!(event.send(&pipeline).await?.http().unwrap().body(), "warehouse");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
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
        self.with_client().key_sets.push(key_set);
        self
    }

    /// Builds the HTTP client, unless there is one.
    fn with_client(&mut self) -> &mut Self {
        self.http.get_or_insert_with(|| {
            client().map_err(|error| AuthenticatorFault::Client(error_chain(&error)))
        });
        self
    }

    /// Trusts the user that the Application Load Balancer with this ARN has signed in, if the request has no
    /// bearer token. An event of the kind `alb` has the user's claims in the header `x-amzn-oidc-data`
    /// ("Authenticate users using an Application Load Balancer" in the user guide of Elastic Load Balancing).
    ///
    /// The claims are signed (ES256). The key is fetched from the load balancer's region when it is first
    /// needed, and kept as those of a [`KeySet`] are. The signer must be this load balancer, because AWS
    /// signs for the load balancers of all customers. The permissions are those in the claims `scope`, `scp`,
    /// `permissions` and `activities`.
    ///
    /// Building the pipeline fails if `arn` is not such an ARN. It also fails for a region in China, because
    /// AWS does not document where it publishes the keys there.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::Authenticator;
    ///
    /// let arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/shop/0123456789abcdef";
    /// let authenticator = Authenticator::new().load_balancer(arn);
    /// # drop(authenticator);
    /// ```
    #[must_use]
    pub fn load_balancer(mut self, arn: &str) -> Self {
        let malformed = || AuthenticatorFault::LoadBalancer { got: arn.to_owned() };
        self.with_client().load_balancer = Some(LoadBalancer::new(arn).ok_or_else(malformed));
        self
    }

    /// Trusts what an authorizer of API Gateway (Cognito, JWT, Lambda or IAM) or the IAM authorization of a
    /// function URL says about the caller, if the request has no bearer token.
    ///
    /// `permissions` names the claims that contain the permissions of the caller. If it is empty, the claims
    /// are `scope`, `scp`, `permissions` and `activities`.
    ///
    /// Anyone who may invoke the function directly (`lambda:InvokeFunction`) writes the whole event,
    /// including `requestContext.authorizer`, and funcify trusts it. Give that right only to the gateway.
    ///
    /// The JWT authorizer of an HTTP API writes an array as the text `[a b]`. In this text, an element with a
    /// space looks like two elements, so an array with several elements grants nothing. Use a claim like
    /// `scope`, which is a string with spaces between the permissions, or verify the token with
    /// [`keys`](Self::keys).
    ///
    /// IAM names the caller by ARN and without permissions, so such a caller has none. To map ARNs to
    /// permissions, use [`from_fn`](Self::from_fn).
    ///
    /// # Examples
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use funcify::{Authenticator, Invocation, Pipeline, Problem, testing::TestEvent};
    /// use serde_json::json;
    ///
    /// async fn whoami(invocation: Invocation) -> Result<String, Problem> {
    ///     Ok(invocation.caller().await?.subject.clone())
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let pipeline = Pipeline::builder(())
    ///     .http(Router::new().route("/me", get(whoami)))
    ///     .authenticator(Authenticator::new().authorizer_claims(&["scope"]))
    ///     .build()?;
    /// let claims = json!({ "jwt": { "claims": { "sub": "alice", "scope": "orders:order:read" } } });
    /// let event = TestEvent::get("/me").authorizer(claims);
    /// assert_eq!(event.send(&pipeline).await?.http().unwrap().body(), "alice");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn authorizer_claims(mut self, permissions: &[&str]) -> Self {
        let named = self.authorizer.get_or_insert_default();
        named.extend(permissions.iter().map(|&claim| claim.to_owned()));
        self
    }

    /// Trusts the certificate authorities in `pem` in addition to Mozilla's, for issuers whose certificate
    /// your own authority has signed. `pem` contains one or more PEM certificates. Building the pipeline
    /// fails if one of them cannot be read or used.
    #[must_use]
    pub fn root_certificates(mut self, pem: &[u8]) -> Self {
        self.http = Some(client_trusting(pem).map_err(AuthenticatorFault::Client));
        self
    }

    /// Reads the time from `clock`.
    #[doc(hidden)]
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
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
            .field("authorizer", &self.authorizer.is_some())
            .field("load_balancer", &self.load_balancer)
            .field("function", &self.function.is_some())
            .finish_non_exhaustive()
    }
}
