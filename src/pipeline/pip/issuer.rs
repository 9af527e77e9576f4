//! One trusted issuer: whose tokens, meant for whom, signed with which keys.

use std::sync::Arc;

use funcify_core::{Clock, circuit::CircuitBreaker};

use super::{
    Caller, Unauthenticated,
    algorithm::Algorithm,
    claims,
    fetch::Fetch,
    jwks::KeySet,
    jwt::Jwt,
    userinfo::{Question, Userinfo},
};

#[derive(Clone, Debug)]
pub(super) struct TrustedIssuer {
    pub(super) keys: Arc<KeySet>,
    pub(super) issuer: Option<String>,
    pub(super) audience_claim: String,
    pub(super) audiences: Vec<String>,
    pub(super) userinfo: Option<Arc<Userinfo>>,
    pub(super) circuit: Option<CircuitBreaker>,
}

/// What holds for the tokens of every issuer.
pub(super) struct Terms<'a> {
    pub(super) algorithms: &'a [Algorithm],
    pub(super) activities: &'a [String],
    pub(super) fetch: &'a Fetch,
    pub(super) clock: &'a Arc<dyn Clock>,
}

impl TrustedIssuer {
    /// Believes a token of this issuer only if everything about it is right.
    pub(super) async fn verify(
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
            .with_activities(claims::activities(&jwt.claims, terms.activities))
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
