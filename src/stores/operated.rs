//! The stores for the operator's command.

use std::sync::Arc;

use funcify_core::{
    StoreError,
    engine::Diagnosed,
    idempotency::IdempotencyProvider,
    register::{Inventory, RecordName, Register, RetryingRegister},
    token::TokenPersistenceProvider,
};
use serde_json::Value;

use super::{
    environment::Environment,
    open::{Opening, Wanted},
    sealed::{seal, seal_answers},
    url::Backend,
};
use crate::{config_error::ConfigError, idempotency::Key};

/// One store, with its listing and its diagnosis. Not part of the public API.
#[derive(Clone, Debug)]
pub struct OperatedStore {
    /// The name of the backend, which is also its feature: `redis`, for example.
    pub backend: &'static str,
    /// Reads and replaces records.
    pub register: RetryingRegister,
    /// Lists records.
    pub inventory: Arc<dyn Inventory>,
    /// Finds out what is wrong with the store.
    pub diagnosed: Arc<dyn Diagnosed>,
}

/// The stores of tokens, circuits and idempotency. Not part of the public API.
#[derive(Clone, Debug)]
pub struct Operated {
    /// The store of the tokens, which may be sealed.
    pub tokens: OperatedStore,
    /// Reads the tokens unsealed, if there are seal keys.
    pub unsealed: Option<Arc<dyn TokenPersistenceProvider>>,
    /// The store of the circuits.
    pub circuits: OperatedStore,
    /// The store of idempotency, whose answers may be sealed.
    pub idempotency: OperatedStore,
    /// Reads the answers unsealed, if there are seal keys.
    pub unsealed_answers: Option<Arc<dyn IdempotencyProvider>>,
}

impl Operated {
    /// Opens the stores at `url`, or those that the environment names. Does no network I/O.
    ///
    /// # Errors
    ///
    /// Those of [`Stores::from_url`](super::Stores::from_url) and
    /// [`Stores::from_env`](super::Stores::from_env).
    pub async fn open(url: Option<&str>) -> Result<Self, ConfigError> {
        let environment = match url {
            Some(url) => Environment::at(url.parse()?)?,
            None => Environment::read()?,
        };
        let mut opening = Opening::default();
        let tokens = environment.tokens.open(&mut opening, Whole).await?;
        let circuits = if environment.circuits.backend == environment.tokens.backend {
            tokens.clone()
        } else {
            environment.circuits.open(&mut opening, Whole).await?
        };
        let idempotency = if environment.idempotency.backend == environment.circuits.backend {
            circuits.clone()
        } else {
            environment.idempotency.open(&mut opening, Whole).await?
        };
        let keys = environment.seal_keys.as_ref();
        let unsealed = keys
            .filter(|_| environment.tokens.backend != Backend::Memory)
            .map(|keys| seal(Arc::new(tokens.register.clone()), keys));
        let unsealed_answers = keys
            .filter(|_| environment.idempotency.backend != Backend::Memory)
            .map(|keys| seal_answers(Arc::new(idempotency.register.clone()), keys));
        Ok(Self { tokens, unsealed, circuits, idempotency, unsealed_answers })
    }

    /// The name of the record for a key in this scope.
    ///
    /// # Errors
    ///
    /// If the key is empty or the scope is not valid.
    pub fn idempotency_name(scope: &str, key: &Value) -> Result<RecordName, StoreError> {
        Ok(Key::new(scope, key)?.name().clone())
    }
}

/// Makes everything that a store can do.
struct Whole;

impl Wanted for Whole {
    type Made = OperatedStore;

    fn of<R: Register + Inventory + Diagnosed>(
        self,
        backend: &'static str,
        register: R,
    ) -> OperatedStore {
        let store = Arc::new(register);
        OperatedStore {
            backend,
            register: RetryingRegister::new(Arc::clone(&store)),
            inventory: Arc::clone(&store) as Arc<dyn Inventory>,
            diagnosed: store,
        }
    }
}
