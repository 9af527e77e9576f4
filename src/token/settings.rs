//! The settings that a getter was built with.

use std::sync::Arc;

use funcify_core::{
    circuit::CircuitBreaker,
    engine::{Chance, Clock},
    register::{PollPolicy, RecordName, WriteId},
    token::{TokenPersistenceProvider, TokenPolicy},
};

use crate::token::credentials::ClientCredentials;
use crate::token::grant::Grant;

/// The settings of one getter. They never change.
pub(super) struct Settings {
    pub(super) credentials: ClientCredentials,
    /// [`ClientCredentials::digest`] and [`ClientCredentials::meaning`], computed once.
    pub(super) digest: String,
    pub(super) meaning: String,
    pub(super) store: Arc<dyn TokenPersistenceProvider>,
    pub(super) key: RecordName,
    /// The key to share the token under while the record at `key` holds another token.
    pub(super) own_key: RecordName,
    /// The identity under which this getter takes leases.
    pub(super) holder: WriteId,
    pub(super) policy: TokenPolicy,
    pub(super) circuit: Option<CircuitBreaker>,
    pub(super) grant: Arc<dyn Grant>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) chance: Chance,
    /// How often to read the store while another process holds the lease.
    pub(super) poll: PollPolicy,
}
