use std::{fmt, sync::Arc};

use async_trait::async_trait;
use funcify_core::circuit::CircuitStateProvider;
use serde_json::value::RawValue;

use crate::auth::authenticator::fault::AuthenticatorFault;
use crate::auth::authenticator::jwt::Jwt;
use crate::auth::authenticator::verify::Shared;
use crate::auth::authenticator::{Authenticator, Caller, Unauthenticated, authorizer, bearer};

/// What a pipeline needs of its [`Authenticator`]. The pipeline holds a trait object, so that the binary of a
/// function without an authenticator contains no HTTP client and no verifier of signatures for it.
#[async_trait]
pub(crate) trait Identify: fmt::Debug + Send + Sync {
    /// Everything that is wrong with the configuration.
    fn faults(&self) -> Vec<AuthenticatorFault>;

    /// Gives each key set that has no circuit one of its own, kept in `store`.
    fn with_circuits(self: Box<Self>, store: &Arc<dyn CircuitStateProvider>) -> Box<dyn Identify>;

    /// Finds out who is calling.
    ///
    /// `authorization` is the `Authorization` header. `authorizer` is `requestContext.authorizer` of an event
    /// of API Gateway or of a function URL, or `requestContext.identity` where IAM authorizes a REST API. It
    /// must never come from the event of another source, in which anyone could have written it. `oidc_data`
    /// is the header `x-amzn-oidc-data` of an event of a load balancer.
    async fn identify(
        &self,
        authorization: Option<&str>,
        authorizer: Option<&RawValue>,
        oidc_data: Option<&str>,
    ) -> Result<Caller, Unauthenticated>;

    /// Renews keys that are due. If this future is dropped, the next call continues the same fetch.
    async fn renew_old_keys(&self);
}

#[async_trait]
impl Identify for Authenticator {
    fn faults(&self) -> Vec<AuthenticatorFault> {
        let mut faults = Vec::new();
        if let Some(Err(fault)) = &self.http {
            faults.push(fault.clone());
        }
        if let Some(Err(fault)) = &self.load_balancer {
            faults.push(fault.clone());
        }
        for (index, key_set) in self.key_sets.iter().enumerate() {
            faults.extend(key_set.faults());
            let before = self.key_sets.iter().take(index);
            faults.extend(key_set.repeated_issuer(before));
        }
        faults
    }

    fn with_circuits(self: Box<Self>, store: &Arc<dyn CircuitStateProvider>) -> Box<dyn Identify> {
        let mut authenticator = self;
        for key_set in &mut authenticator.key_sets {
            key_set.circuit_in(store);
        }
        authenticator
    }

    async fn identify(
        &self,
        authorization: Option<&str>,
        authorizer: Option<&RawValue>,
        oidc_data: Option<&str>,
    ) -> Result<Caller, Unauthenticated> {
        if !self.key_sets.is_empty()
            && let Some(authorization) = authorization
            && let Some(token) = bearer::token(authorization)?
        {
            return self.verified(token).await;
        }
        if let (Some(Ok(load_balancer)), Some(oidc_data)) = (&self.load_balancer, oidc_data) {
            return load_balancer.user(oidc_data, self.shared()).await;
        }
        if let (Some(permissions), Some(authorizer)) = (&self.authorizer, authorizer)
            && let Some(caller) = authorizer::caller(authorizer, permissions)?
        {
            return Ok(caller);
        }
        match &self.function {
            Some(function) => {
                let authorizer = authorizer.map(authorizer::value).transpose()?;
                function(authorization.map(str::to_owned), authorizer).await
            }
            None => Err(Unauthenticated::Missing),
        }
    }

    async fn renew_old_keys(&self) {
        for key_set in &self.key_sets {
            key_set.renew_old_keys(self.shared()).await;
        }
    }
}

impl Authenticator {
    async fn verified(&self, token: &str) -> Result<Caller, Unauthenticated> {
        let jwt = Jwt::parse(token)?;
        let issuer = jwt.issuer()?;
        let trusted = self.key_sets.iter().find(|key_set| key_set.is_of(issuer));
        trusted.ok_or(Unauthenticated::Issuer)?.verify(token, jwt, self.shared()).await
    }

    fn shared(&self) -> Shared<'_> {
        Shared { http: self.http.as_ref().and_then(|http| http.as_ref().ok()), clock: &self.clock }
    }
}
