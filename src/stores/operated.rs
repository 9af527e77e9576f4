//! The stores as the operator's command opens them.

use std::sync::Arc;

use funcify_core::{
    engine::Diagnosed,
    register::{Inventory, Register, RetryingRegister},
    token::TokenPersistenceProvider,
};

use super::{
    environment::Environment,
    open::{Opening, Wanted},
    sealed::seal,
    url::Backend,
};
use crate::config_error::ConfigError;

/// One store, and what lists it. Not part of the public API.
#[derive(Clone, Debug)]
pub struct OperatedStore {
    /// The feature of the backend: `redis`.
    pub backend: &'static str,
    /// Reads and swaps.
    pub register: RetryingRegister,
    /// Lists.
    pub inventory: Arc<dyn Inventory>,
    /// Finds out what is wrong with it.
    pub diagnosed: Arc<dyn Diagnosed>,
}

/// The store of the tokens and the one of the circuits. Not part of the public API.
#[derive(Clone, Debug)]
pub struct Operated {
    /// Where the tokens are, as they are stored.
    pub tokens: OperatedStore,
    /// The tokens as a function reads them, if there are keys that unseal them.
    pub unsealed: Option<Arc<dyn TokenPersistenceProvider>>,
    /// Where the circuits are.
    pub circuits: OperatedStore,
}

impl Operated {
    /// Opens the stores at `url`, or those that the environment names. Does no network I/O.
    ///
    /// # Errors
    ///
    /// As [`Stores::from_url`](super::Stores::from_url) and [`Stores::from_env`](super::Stores::from_env).
    pub async fn open(url: Option<&str>) -> Result<Self, ConfigError> {
        let environment = match url {
            Some(url) => Environment::at(url.parse()?)?,
            None => Environment::read()?,
        };
        let mut opening = Opening::default();
        let tokens = environment.tokens.open(&mut opening, Whole).await?;
        let circuits = if environment.is_one_store() {
            tokens.clone()
        } else {
            environment.circuits.open(&mut opening, Whole).await?
        };
        let unsealed = environment
            .seal_keys
            .filter(|_| environment.tokens.backend != Backend::Memory)
            .map(|keys| seal(Arc::new(tokens.0.clone()), keys));
        let whole = |store: <Whole as Wanted>::Made, backend: &Backend| {
            let (register, inventory, diagnosed) = store;
            OperatedStore { backend: backend.feature(), register, inventory, diagnosed }
        };
        Ok(Self {
            tokens: whole(tokens, &environment.tokens.backend),
            unsealed,
            circuits: whole(circuits, &environment.circuits.backend),
        })
    }
}

/// All that a store can do.
struct Whole;

impl Wanted for Whole {
    type Made = (RetryingRegister, Arc<dyn Inventory>, Arc<dyn Diagnosed>);

    fn of<R: Register + Inventory + Diagnosed>(self, register: R) -> Self::Made {
        let store = Arc::new(register);
        (RetryingRegister::new(Arc::clone(&store)), Arc::clone(&store) as Arc<dyn Inventory>, store)
    }
}
