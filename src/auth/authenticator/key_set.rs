use std::{fmt, sync::Arc};

use funcify_core::circuit::{CircuitBreaker, CircuitPolicy, CircuitStateProvider};
use reqwest::Url;

use crate::auth::authenticator::algorithm::Algorithm;
use crate::auth::authenticator::fault::AuthenticatorFault;
use crate::auth::authenticator::key_cache::{KeyCache, RefreshPolicy};
use crate::auth::authenticator::url::may_be_fetched;
use crate::auth::authenticator::userinfo::Userinfo;
use crate::shown_url::shown;

/// The keys of one issuer, and the rules for the tokens that they verify. Clones share the keys.
///
/// An [`issuer`](Self::issuer) and at least one [`audience`](Self::audience) are required. The methods do not
/// fail: building the pipeline reports every fault of a key set.
///
/// # Which tokens are accepted
///
/// By default a key set accepts an access token of its issuer, for one of its audiences, that is valid now.
/// The clocks of issuer and function may differ by 30 s. The `typ` in the header is `JWT`, `at+jwt` or
/// absent. Most issuers write `JWT` into every kind of token, so other kinds are recognised by their claims
/// and refused:
///
/// - tokens with `cnf`, which are bound to a key (RFC 8705, RFC 9449): funcify does not check that the caller
///   holds the key,
/// - logout tokens and other security events: they have `events`,
/// - ID tokens: they have `nonce`, `at_hash` or `c_hash`, `id` as `token_use` (Amazon Cognito), or `ID` as
///   the claim `typ` (Keycloak). A token with the `typ` `at+jwt` may have these claims.
///
/// An ID token without any of these claims looks like an access token. If your issuer writes `at+jwt` into
/// the header of access tokens (RFC 9068), require it with [`token_type`](Self::token_type).
///
/// # Examples
///
/// ```
/// use funcify::auth::{Algorithm, KeySet};
///
/// // Access tokens of Amazon Cognito have no `aud`: `client_id` says for whom they are.
/// let cognito = KeySet::new("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_EXAMPLE/.well-known/jwks.json")
///     .issuer("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_EXAMPLE")
///     .audience_claim("client_id")
///     .audience("1example23456789")
///     .algorithms([Algorithm::Rs256]);
/// # drop(cognito);
/// ```
#[derive(Clone)]
#[must_use]
pub struct KeySet {
    /// `None` if the URL could not be parsed.
    pub(super) keys: Option<Arc<KeyCache>>,
    pub(super) issuer: Option<String>,
    pub(super) audience_claim: String,
    pub(super) audiences: Vec<String>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) permissions_claims: Vec<String>,
    /// The `typ` that a token must have.
    pub(super) token_type: Option<String>,
    pub(super) userinfo: Option<Arc<Userinfo>>,
    pub(super) circuit: Option<CircuitBreaker>,
    /// The URL as errors show it.
    url: String,
    malformed: Vec<AuthenticatorFault>,
}

impl KeySet {
    /// The JSON Web Key Set (RFC 7517, section 5) at `url`. The URL must be https, or plain http to a
    /// loopback host, and must contain no user name or password.
    pub fn new(url: &str) -> Self {
        let parsed = Url::parse(url);
        let malformed = |_: &_| AuthenticatorFault::Url { what: "key set", got: shown(url) };
        Self {
            malformed: parsed.as_ref().err().map(malformed).into_iter().collect(),
            url: shown(url),
            keys: parsed.ok().map(|url| Arc::new(KeyCache::new(url, RefreshPolicy::DEFAULT))),
            issuer: None,
            audience_claim: "aud".to_owned(),
            audiences: Vec::new(),
            algorithms: Algorithm::DEFAULT.to_vec(),
            permissions_claims: Vec::new(),
            token_type: None,
            userinfo: None,
            circuit: None,
        }
    }

    /// Verifies the tokens whose `iss` is exactly this text. Required.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Accepts tokens for this audience. Call it again to accept several. At least one is required.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Reads the audience of a token from this claim instead of `aud`. Access tokens of Amazon Cognito have
    /// their audience in `client_id`.
    pub fn audience_claim(mut self, claim: impl Into<String>) -> Self {
        self.audience_claim = claim.into();
        self
    }

    /// Accepts tokens that are signed with one of these algorithms. The default is `RS256`, `PS256`,
    /// `ES256` and `EdDSA`.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::auth::{Algorithm, KeySet};
    ///
    /// let keys = KeySet::new("https://login.example.com/jwks")
    ///     .issuer("https://login.example.com/")
    ///     .audience("https://orders.example.com")
    ///     .algorithms([Algorithm::Es256, Algorithm::EdDsa]);
    /// # drop(keys);
    /// ```
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Reads the caller's permissions from this claim instead of `scope`, `scp`, `permissions` and
    /// `activities`. Call it again to read them from several claims.
    pub fn permissions_claim(mut self, claim: impl Into<String>) -> Self {
        self.permissions_claims.push(claim.into());
        self
    }

    /// Accepts only tokens with this `typ` in the header: `at+jwt` for the access tokens of RFC 9068. By
    /// default `JWT`, `at+jwt` and no `typ` are accepted.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::auth::KeySet;
    ///
    /// let keys = KeySet::new("https://login.example.com/jwks")
    ///     .issuer("https://login.example.com/")
    ///     .audience("https://orders.example.com")
    ///     .token_type("at+jwt");
    /// # drop(keys);
    /// ```
    pub fn token_type(mut self, token_type: impl Into<String>) -> Self {
        self.token_type = Some(token_type.into());
        self
    }

    /// The issuer's userinfo endpoint (OpenID Connect Core, section 5.3), which
    /// [`Caller::userinfo`](super::Caller::userinfo) asks. The URL must be https, or plain http to a loopback
    /// host.
    pub fn userinfo(mut self, url: &str) -> Self {
        match Url::parse(url) {
            Ok(url) => self.userinfo = Some(Arc::new(Userinfo::new(url))),
            Err(_) => self
                .malformed
                .push(AuthenticatorFault::Url { what: "userinfo endpoint", got: shown(url) }),
        }
        self
    }

    /// Fetches keys and userinfo through this circuit. By default a pipeline with
    /// [`stores`](crate::pipeline::PipelineBuilder::stores) gives each key set a circuit of its own, with the
    /// name `pip-` and the host, and the default policy. A pipeline without stores uses no circuit.
    ///
    /// While the circuit is open, a caller whose key is unknown gets a 503 with `Retry-After`. A caller whose
    /// key is known is not affected.
    pub fn circuit(mut self, circuit: CircuitBreaker) -> Self {
        self.circuit = Some(circuit);
        self
    }

    /// Whether this key set verifies the tokens of `issuer`.
    pub(super) fn is_of(&self, issuer: &str) -> bool {
        self.issuer.as_deref() == Some(issuer)
    }

    /// Gives this key set a circuit in `store`, unless it has one.
    pub(super) fn circuit_in(&mut self, store: &Arc<dyn CircuitStateProvider>) {
        if let (None, Some(keys)) = (&self.circuit, &self.keys) {
            let name = circuit_name(keys.url());
            let circuit = CircuitBreaker::new(name, CircuitPolicy::default(), Arc::clone(store));
            self.circuit = circuit.ok();
        }
    }

    /// The faults of this key set, without regard to other key sets.
    pub(super) fn faults(&self) -> Vec<AuthenticatorFault> {
        let mut faults = self.malformed.clone();
        let keys = self.keys.as_ref().map(|keys| ("key set", keys.url()));
        let userinfo = self.userinfo.as_ref().map(|userinfo| ("userinfo endpoint", userinfo.url()));
        for (what, url) in [keys, userinfo].into_iter().flatten() {
            if !may_be_fetched(url) {
                faults.push(AuthenticatorFault::Url { what, got: shown(url.as_str()) });
            }
        }
        if self.algorithms.is_empty() {
            faults.push(AuthenticatorFault::Algorithms { url: self.url.clone() });
        }
        if self.audiences.is_empty() || self.audiences.iter().any(String::is_empty) {
            faults.push(AuthenticatorFault::Audience { url: self.url.clone() });
        }
        if self.issuer.as_ref().is_none_or(String::is_empty) {
            faults.push(AuthenticatorFault::Issuer { url: self.url.clone() });
        }
        faults
    }

    /// The fault, if one of the key sets `before` has the same issuer.
    pub(super) fn repeated_issuer<'a>(
        &self,
        mut before: impl Iterator<Item = &'a Self>,
    ) -> Option<AuthenticatorFault> {
        let issuer = self.issuer.as_deref().filter(|issuer| !issuer.is_empty())?;
        let issuer = before.any(|other| other.is_of(issuer)).then(|| shown(issuer))?;
        Some(AuthenticatorFault::Duplicate { issuer })
    }
}

/// A legal name for a circuit, whatever the host is: at most 64 characters, without colons and brackets.
fn circuit_name(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let legal = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
    let host = host.chars().map(|letter| if legal(letter) { letter } else { '-' });
    "pip-".chars().chain(host).take(64).collect()
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet")
            .field("url", &self.url)
            .field("keys", &self.keys)
            .field("issuer", &self.issuer.as_deref().map(shown))
            .field("audience_claim", &self.audience_claim)
            .field("audiences", &self.audiences)
            .field("algorithms", &self.algorithms)
            .field("permissions_claims", &self.permissions_claims)
            .field("token_type", &self.token_type)
            .field("userinfo", &self.userinfo)
            .field("circuit", &self.circuit)
            .finish_non_exhaustive()
    }
}
