//! Opens the stores: by URL, from the environment or in code.

#[cfg(any(feature = "dynamodb", feature = "ssm", feature = "redis-iam", feature = "secrets"))]
mod aws;
mod environment;
#[cfg(feature = "redis-iam")]
mod iam;
mod open;
pub(crate) mod operated;
#[cfg(any(feature = "redis", feature = "dynamodb", feature = "ssm", feature = "secrets"))]
mod refused;
pub(crate) mod sealed;
pub(crate) mod secrets;
mod url;

use std::sync::Arc;

use funcify_core::{
    circuit::CircuitStateProvider,
    idempotency::IdempotencyProvider,
    register::{Register, RetryingRegister},
    token::TokenPersistenceProvider,
};

/// Where the fleet keeps its tokens, the state of its circuits, and the answers of idempotency. Cheap to
/// clone.
///
/// Open the stores with [`from_env`](Self::from_env) or [`from_url`](Self::from_url), or pass a store of your
/// own to [`new`](Self::new). To keep one part in another store, set its field.
///
/// # Examples
///
/// ```
/// use funcify::Stores;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let mut stores = Stores::from_url("memory:").await?;
/// stores.circuits = Stores::from_url("memory:").await?.circuits;
/// # let _ = stores;
/// # Ok::<(), funcify::ConfigError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stores {
    /// Where the fleet keeps its tokens.
    pub tokens: Arc<dyn TokenPersistenceProvider>,
    /// Where the fleet keeps the state of its circuits.
    pub circuits: Arc<dyn CircuitStateProvider>,
    /// Where the fleet keeps which work was done for an idempotency key, and with what answer.
    pub idempotency: Arc<dyn IdempotencyProvider>,
}

impl Stores {
    /// Keeps everything in one store of your own. Its operations are repeated after failures.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::{Stores, register::Register};
    ///
    /// fn open(my_store: impl Register) -> Stores {
    ///     Stores::new(my_store)
    /// }
    /// ```
    #[must_use]
    pub fn new(register: impl Register) -> Self {
        Self::of(RetryingRegister::new(register))
    }

    fn of(store: RetryingRegister) -> Self {
        Self {
            tokens: Arc::new(store.clone()),
            circuits: Arc::new(store.clone()),
            idempotency: Arc::new(store),
        }
    }
}
