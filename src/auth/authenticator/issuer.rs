//! One trusted issuer: whose tokens, meant for whom, signed with which keys.

use std::sync::Arc;

use funcify_core::{circuit::CircuitBreaker, engine::Clock};

use crate::auth::authenticator::algorithm::Algorithm;
use crate::auth::authenticator::fetch::Fetch;
use crate::auth::authenticator::jwks::KeySet;
use crate::auth::authenticator::jwt::Jwt;
use crate::auth::authenticator::userinfo::{Question, Userinfo};
use crate::auth::authenticator::{Caller, Unauthenticated, claims};

#[derive(Clone, Debug)]
pub(crate) struct TrustedIssuer {
    pub(crate) keys: Arc<KeySet>,
    pub(crate) issuer: Option<String>,
    pub(crate) audience_claim: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) userinfo: Option<Arc<Userinfo>>,
    pub(crate) circuit: Option<CircuitBreaker>,
}

/// What holds for the tokens of every issuer.
pub(crate) struct Terms<'a> {
    pub(crate) algorithms: &'a [Algorithm],
    pub(crate) permissions: &'a [String],
    pub(crate) fetch: &'a Fetch,
    pub(crate) clock: &'a Arc<dyn Clock>,
}

impl TrustedIssuer {
    /// Believes a token of this issuer only if everything about it is right.
    pub(crate) async fn verify(
        &self,
        token: &str,
        jwt: Jwt<'_>,
        terms: &Terms<'_>,
    ) -> Result<Caller, Unauthenticated> {
        if !terms.algorithms.contains(&jwt.algorithm) {
            return Err(Unauthenticated::Algorithm);
        }
        let kid = jwt.kid.as_deref();
        let fetch = terms.fetch.through(self.circuit.as_ref());
        let keys = self.keys.keys(kid, jwt.algorithm, &fetch, &**terms.clock).await?;
        let fitting = keys.fitting(kid, jwt.algorithm);
        if fitting.is_empty() {
            return Err(Unauthenticated::Key);
        }
        if !fitting.into_iter().any(|key| jwt.signed_by(key)) {
            return Err(Unauthenticated::Signature);
        }
        let expires_at = jwt.timely(terms.clock.now())?;
        jwt.meant_for(&self.audience_claim, &self.audiences)?;
        let caller = Caller::new(jwt.subject()?)
            .with_issuer(jwt.issuer()?)
            .with_permissions(claims::permissions(&jwt.claims, terms.permissions))
            .with_claims(jwt.claims);
        Ok(caller.with_question(self.userinfo.clone().map(|userinfo| Question {
            userinfo,
            fetch,
            clock: terms.clock.clone(),
            token: token.into(),
            expires_at,
        })))
    }
}
