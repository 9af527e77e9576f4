//! Failures: told to the fleet in the record, and remembered in this process.

use std::time::Duration;

use funcify_core::engine::ProviderFailure;
use funcify_core::token::TokenRecord;
use tokio::time::Instant;

use crate::token::flight::Flight;
use crate::token::{Inner, TokenError};

/// A refused secret is not tried again for 60 s; the store is looked at meanwhile, once a second,
/// for a token that another function got with a better secret.
const REFUSED_FOR: Duration = Duration::from_secs(60);
const REFUSED_LOOK: Duration = Duration::from_secs(1);

/// An open circuit of the provider is looked at again after 5 s at most.
const OPEN_LOOK: Duration = Duration::from_secs(5);

impl Inner {
    /// The fleet's remembered failure, remembered here as well: nobody reads it at every call.
    pub(super) fn remembered(
        &self,
        flight: &mut Flight,
        record: &TokenRecord,
        retry_after: Duration,
    ) -> TokenError {
        let failure = record.failure.as_ref();
        let code = failure.map_or_else(String::new, |failure| failure.code.clone());
        let binds_all = failure.is_none_or(|failure| failure.cred.is_none());
        let look = if binds_all { retry_after } else { retry_after.min(REFUSED_LOOK) };
        let error = TokenError::Remembered { code, retry_after };
        flight.failed = Some((Instant::now() + look, error.clone()));
        error
    }

    /// The record that tells of a failure, which this process remembers as well.
    pub(super) fn after_failure(
        &self,
        flight: &mut Flight,
        record: TokenRecord,
        error: &TokenError,
    ) -> TokenRecord {
        let (code, is_refusal, retry_after) = match error {
            TokenError::Grant(error) => (error.code(), error.is_refusal(), error.retry_after()),
            TokenError::Open(open) => {
                ("circuit_open", false, Some(open.retry_after.min(OPEN_LOOK)))
            }
            _ => return record.released(),
        };
        let cred = flight.secret.as_ref().map(|known| known.fingerprint.clone());
        let cred = cred.as_deref().filter(|_| is_refusal);
        let now = self.clock.now();
        let next =
            record.failed(&ProviderFailure { code, cred, retry_after }, now, self.chance.draw());
        let until = next.failure.as_ref().map_or(now, |failure| failure.until);
        let mut look = until.since(now);
        if is_refusal {
            flight.refused = Some((Instant::now() + REFUSED_FOR, error.clone()));
            look = look.min(REFUSED_LOOK);
        }
        flight.failed = Some((Instant::now() + look, error.clone()));
        next
    }
}
