//! The choice of a backend: by URL, from the environment or in code.

use std::sync::Arc;

use funcify_core::{circuit::CircuitStateProvider, token::TokenPersistenceProvider};

/// Where tokens are kept and where the state of circuits is: any two stores, one's own included.
#[derive(Clone, Debug)]
pub struct Stores {
    /// Where the fleet keeps its token.
    pub tokens: Arc<dyn TokenPersistenceProvider>,
    /// Where the fleet keeps the state of its circuits.
    pub circuits: Arc<dyn CircuitStateProvider>,
}
