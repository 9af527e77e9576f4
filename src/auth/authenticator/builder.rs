//! What can be said of a [`Authenticator`], and what is wrong with what was said.

use std::sync::Arc;

use funcify_core::{
    circuit::{CircuitBreaker, CircuitPolicy, CircuitStateProvider},
    engine::Clock,
};
use reqwest::Url;

use crate::auth::authenticator::algorithm::Algorithm;
use crate::auth::authenticator::userinfo::Userinfo;
use crate::auth::authenticator::{Authenticator, AuthenticatorFault};

impl Authenticator {
    /// Trusts tokens whose `iss` is exactly this. Said of the key set before it.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        match self.issuers.last_mut() {
            Some(last) => last.issuer = Some(issuer.into()),
            None => self.misplaced.push(AuthenticatorFault::NoKeySet { what: "an issuer" }),
        }
        self
    }

    /// Trusts tokens that are meant for `audience`; said twice, for either. Said of the key set
    /// before it.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        match self.issuers.last_mut() {
            Some(last) => last.audiences.push(audience.into()),
            None => self.misplaced.push(AuthenticatorFault::NoKeySet { what: "an audience" }),
        }
        self
    }

    /// Takes the audience from another claim than `aud`: `client_id` for the access tokens of Amazon
    /// Cognito, which have no other. Said of the key set before it.
    #[must_use]
    pub fn audience_claim(mut self, claim: impl Into<String>) -> Self {
        match self.issuers.last_mut() {
            Some(last) => last.audience_claim = claim.into(),
            None => {
                self.misplaced.push(AuthenticatorFault::NoKeySet { what: "an audience's claim" })
            }
        }
        self
    }

    /// Where [`Caller::userinfo`](super::Caller::userinfo) asks. Said of the key set before it.
    #[must_use]
    pub fn userinfo(mut self, url: &str) -> Self {
        match (self.issuers.last_mut(), Url::parse(url)) {
            (Some(last), Ok(url)) => last.userinfo = Some(Arc::new(Userinfo::new(url))),
            (Some(_), Err(_)) => self.misplaced.push(not_a_url("userinfo endpoint", url)),
            (None, _) => {
                self.misplaced.push(AuthenticatorFault::NoKeySet { what: "a userinfo endpoint" })
            }
        }
        self
    }

    /// Fetches keys and userinfo in this circuit. Said of the key set before it.
    ///
    /// Refused by an open circuit, a caller whose key is not known is answered 503 with the time to
    /// try again; one whose key is known notices nothing.
    #[must_use]
    pub fn circuit(mut self, circuit: CircuitBreaker) -> Self {
        match self.issuers.last_mut() {
            Some(last) => last.circuit = Some(circuit),
            None => self.misplaced.push(AuthenticatorFault::NoKeySet { what: "a circuit" }),
        }
        self
    }

    /// Fetches from each issuer that has no [`circuit`](Self::circuit) in one of its own: named `authenticator-`
    /// and the issuer's host, with the default policy, shared by the fleet through `store`.
    #[must_use]
    pub fn circuits(mut self, store: &Arc<dyn CircuitStateProvider>) -> Self {
        for issuer in self.issuers.iter_mut().filter(|issuer| issuer.circuit.is_none()) {
            let name = circuit_name(issuer.keys.url());
            let circuit = CircuitBreaker::new(name, CircuitPolicy::default(), Arc::clone(store));
            issuer.circuit = circuit.ok();
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
    /// use funcify::auth::Authenticator;
    ///
    /// let staff = Authenticator::jwks("https://staff.example.com/jwks").issuer("https://staff.example.com");
    /// let shops = Authenticator::jwks("https://shops.example.com/jwks").issuer("https://shops.example.com");
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

    /// Looks for permissions in this claim, instead of in `scope`, `permissions` and `activities`;
    /// said twice, in either.
    #[must_use]
    pub fn permissions_claim(mut self, claim: impl Into<String>) -> Self {
        self.permissions.push(claim.into());
        self
    }

    /// Where no bearer token was sent, believes what API Gateway's own authorizer (Cognito, JWT, Lambda
    /// or IAM) says of the caller, or a function URL's (IAM).
    ///
    /// IAM names a caller, by ARN, and knows nothing of permissions: such a caller is granted none. Who
    /// maps ARNs to permissions does so in [`from_fn`](Self::from_fn).
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
    pub fn plain_http_on_loopback(mut self) -> Self {
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
    pub fn faults(&self) -> Vec<AuthenticatorFault> {
        let mut faults = self.misplaced.clone();
        if self.algorithms.is_empty() {
            faults.push(AuthenticatorFault::Algorithms);
        }
        for (place, issuer) in self.issuers.iter().enumerate() {
            let url = shown(issuer.keys.url());
            if !self.fetch.may(issuer.keys.url()) {
                faults.push(AuthenticatorFault::Url { what: "key set", got: url.clone() });
            }
            if let Some(userinfo) = &issuer.userinfo
                && !self.fetch.may(userinfo.url())
            {
                let got = shown(userinfo.url());
                faults.push(AuthenticatorFault::Url { what: "userinfo endpoint", got });
            }
            if issuer.audiences.is_empty() || issuer.audiences.iter().any(String::is_empty) {
                faults.push(AuthenticatorFault::Audience { url: url.clone() });
            }
            match &issuer.issuer {
                Some(name) if !name.is_empty() => {
                    if self.issuers.iter().take(place).any(|other| other.issuer == issuer.issuer) {
                        faults.push(AuthenticatorFault::Duplicate { issuer: name.clone() });
                    }
                }
                _ => faults.push(AuthenticatorFault::Issuer { url }),
            }
        }
        faults
    }
}

/// Legal whatever the host: at most 64 letters, of which none is a colon or a bracket.
fn circuit_name(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let legal = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
    let host = host.chars().map(|letter| if legal(letter) { letter } else { '-' });
    "pip-".chars().chain(host).take(64).collect()
}

/// An address as it may be shown: without user, password and query.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Both fail only where there is no host, and so nothing to remove.
    let _ = (url.set_username(""), url.set_password(None));
    url.into()
}

/// What is no URL is shown up to where a password could stand in it.
pub(crate) fn not_a_url(what: &'static str, text: &str) -> AuthenticatorFault {
    let got = match text.contains(['@', '?']) {
        true => "…".to_owned(),
        false => text.chars().take(80).collect(),
    };
    AuthenticatorFault::Url { what, got }
}
