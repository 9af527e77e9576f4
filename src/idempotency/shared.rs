//! The parts that all calls of one scope share.

use std::sync::Arc;

use funcify_core::{
    StoreError, StoreErrorKind, engine::Chance, idempotency::IdempotencyProvider,
    register::PollPolicy,
};

use super::metrics::Counters;

pub(super) struct Shared {
    pub(super) scope: String,
    pub(super) store: Arc<dyn IdempotencyProvider>,
    pub(super) poll: PollPolicy,
    pub(super) chance: Chance,
    pub(super) counters: Counters,
}

/// Whether the same operation may succeed a moment later.
pub(super) fn is_transient(error: &StoreError) -> bool {
    !matches!(error.kind(), StoreErrorKind::Denied | StoreErrorKind::Invalid)
}
