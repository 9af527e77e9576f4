//! The steps in which a key set verifies a token.

use std::sync::Arc;

use funcify_core::engine::Clock;

use crate::auth::authenticator::caller::Caller;
use crate::auth::authenticator::claims;
use crate::auth::authenticator::error::Unauthenticated;
use crate::auth::authenticator::fetch::Fetch;
use crate::auth::authenticator::jwt::Jwt;
use crate::auth::authenticator::key_set::KeySet;
use crate::auth::authenticator::userinfo::Request;

/// What all key sets of an authenticator share.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub(super) http: Option<&'a reqwest::Client>,
    pub(super) clock: &'a Arc<dyn Clock>,
}

impl KeySet {
    /// Verifies a token of this issuer. Every check must pass.
    pub(super) async fn verify(
        &self,
        token: &str,
        jwt: Jwt<'_>,
        shared: Shared<'_>,
    ) -> Result<Caller, Unauthenticated> {
        jwt.check_type(self.token_type.as_deref())?;
        if !self.algorithms.contains(&jwt.algorithm) {
            return Err(Unauthenticated::Algorithm);
        }
        let kid = jwt.kid.as_deref();
        let fetch = self.fetch(shared);
        let cache = self.keys.as_ref().ok_or_else(Unauthenticated::no_address)?;
        let keys = cache.keys(kid, jwt.algorithm, &fetch, &**shared.clock).await?;
        let candidates = keys.candidates(kid, jwt.algorithm);
        if candidates.is_empty() {
            return Err(Unauthenticated::Key);
        }
        if !candidates.into_iter().any(|key| jwt.is_signed_by(key)) {
            return Err(Unauthenticated::Signature);
        }
        let expires_at = jwt.check_times(shared.clock.now())?;
        jwt.check_audience(&self.audience_claim, &self.audiences)?;
        jwt.check_use()?;
        let mut caller = Caller::new(jwt.subject()?);
        let granted = claims::permissions(&jwt.claims, &self.permissions_claims, claims::words);
        caller.permissions = granted.into_iter().map(str::to_owned).collect();
        caller.issuer = Some(jwt.issuer()?.to_owned());
        caller.claims = jwt.claims;
        caller.userinfo = self.userinfo.clone().map(|userinfo| Request {
            userinfo,
            fetch,
            clock: shared.clock.clone(),
            token: token.into(),
            expires_at,
        });
        Ok(caller)
    }

    /// Renews the keys if they are due.
    pub(super) async fn renew_old_keys(&self, shared: Shared<'_>) {
        if let Some(cache) = &self.keys {
            cache.renew(&self.fetch(shared), &**shared.clock).await;
        }
    }

    fn fetch(&self, shared: Shared<'_>) -> Fetch {
        Fetch { client: shared.http.cloned(), circuit: self.circuit.clone() }
    }
}
