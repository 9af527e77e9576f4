//! The choice of a store: by URL, from the environment or in code.

mod environment;
mod error;
mod open;
pub(crate) mod sealed;
mod url;

use std::sync::Arc;

use funcify_core::{
    circuit::CircuitStateProvider, register::Register, token::TokenPersistenceProvider,
};

pub use error::ConfigError;
pub use sealed::SealedTokens;

/// Where tokens are kept and where the state of circuits is: any two stores, one's own included.
///
/// # Examples
///
/// ```
/// use funcify::Stores;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let stores = Stores::from_url("memory:").await?;
/// # let _ = stores;
/// # Ok::<(), funcify::ConfigError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Stores {
    /// Where the fleet keeps its token.
    pub tokens: Arc<dyn TokenPersistenceProvider>,
    /// Where the fleet keeps the state of its circuits.
    pub circuits: Arc<dyn CircuitStateProvider>,
}

impl Stores {
    /// One register for both.
    pub fn new(register: impl Register) -> Self {
        let register = Arc::new(register);
        Self { tokens: Arc::clone(&register) as _, circuits: register }
    }
}
