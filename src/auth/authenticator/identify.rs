use std::{fmt, sync::Arc};

use async_trait::async_trait;
use funcify_core::circuit::CircuitStateProvider;
use serde_json::value::RawValue;

use crate::auth::authenticator::fault::AuthenticatorFault;
use crate::auth::authenticator::{Authenticator, Caller, Unauthenticated};

/// What a pipeline needs of its [`Authenticator`]. It holds it as a trait object, so that a function
/// without one is built without an HTTP client and a verifier of signatures.
#[async_trait]
pub(crate) trait Identify: fmt::Debug + Send + Sync {
    /// Everything that is wrong with the configuration.
    fn faults(&self) -> Vec<AuthenticatorFault>;

    /// Gives each key set that has no circuit one of its own, kept in `store`.
    fn with_circuits(self: Box<Self>, store: &Arc<dyn CircuitStateProvider>) -> Box<dyn Identify>;

    async fn identify(
        &self,
        authorization: Option<&str>,
        authorizer: Option<&RawValue>,
    ) -> Result<Caller, Unauthenticated>;

    /// Renews keys that are due. When this future is dropped, the next call goes on with the same
    /// fetch.
    async fn renew_old_keys(&self);
}

#[async_trait]
impl Identify for Authenticator {
    fn faults(&self) -> Vec<AuthenticatorFault> {
        let mut faults = Vec::new();
        if !self.key_sets.is_empty() && self.http.is_none() {
            faults.push(AuthenticatorFault::Client);
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
    ) -> Result<Caller, Unauthenticated> {
        Self::identify(self, authorization, authorizer).await
    }

    async fn renew_old_keys(&self) {
        for key_set in &self.key_sets {
            key_set.renew_old_keys(self.shared()).await;
        }
    }
}
