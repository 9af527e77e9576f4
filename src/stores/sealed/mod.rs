//! Tokens sealed at rest: whoever reads the store cannot use them, whoever writes it cannot forge
//! or move them.

mod keys;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use funcify_core::{
    StoreError,
    register::{Corruption, PollPolicy, Swap, Version, Versioned, WriteId},
    token::{TokenKey, TokenPersistenceProvider, TokenRecord},
};

pub(crate) use keys::is_sealed;
pub use keys::{SealKeys, SealKeysError};

/// A token store in which the token itself is sealed (AES-256-GCM); the rest of the record stays
/// readable.
///
/// Bound to the token are its key, its digest, type, scope and times, and the write that stored it:
/// it can be neither altered nor moved to another record. What a seal cannot show is that a *whole*
/// record was rolled back to an earlier one: that ends with the earlier token's expiry. A token that
/// cannot be opened counts as none, and is replaced.
///
/// [`Stores::from_env`](crate::Stores::from_env) seals by itself where `FUNCIFY_SEAL_KEYS` is set.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use funcify::sealed::{SealKeys, Sealed};
/// use funcify_backend_memory::MemoryBackend;
/// use funcify_core::{register::{RetryingRegister, WriteId}, token::{AccessToken, TokenKey, TokenPersistenceProvider, TokenRecord}};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let store = Arc::new(RetryingRegister::new(MemoryBackend::default()));
/// let keys = SealKeys::parse("2026-11:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")?;
/// let sealed = Sealed::new(Arc::clone(&store), keys);
///
/// let key = TokenKey::default();
/// let record = TokenRecord { token: Some(AccessToken::new("canary")), ..TokenRecord::default() };
/// sealed.write(&key, None, WriteId::random(), &record).await?;
///
/// let stored = store.read(&key).await?.unwrap().value.token.unwrap();
/// assert!(stored.expose().starts_with("sealed:v1:2026-11:"));
/// let opened = sealed.read(&key).await?.unwrap().value.token.unwrap();
/// assert_eq!(opened.expose(), "canary");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Sealed<P: ?Sized> {
    provider: Arc<P>,
    keys: SealKeys,
}

impl<P: TokenPersistenceProvider + ?Sized> Sealed<P> {
    /// Seals what `provider` stores.
    #[must_use]
    pub fn new(provider: Arc<P>, keys: SealKeys) -> Self {
        Self { provider, keys }
    }

    fn open(&self, key: &TokenKey, mut stored: Versioned<TokenRecord>) -> Versioned<TokenRecord> {
        let Some(token) = &stored.value.token else { return stored };
        match self.keys.open(key, stored.version.id(), &stored.value, token.expose()) {
            Some(token) => stored.value.token = Some(token),
            None => {
                stored.value = TokenRecord::default();
                stored.corruption = Some(Corruption::Sealed);
                tracing::warn!(%key, "a stored token cannot be unsealed and counts as none");
            }
        }
        stored
    }
}

impl<P: fmt::Debug + ?Sized> fmt::Debug for Sealed<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sealed").field(&&*self.provider).finish()
    }
}

#[async_trait]
impl<P: TokenPersistenceProvider + ?Sized> TokenPersistenceProvider for Sealed<P> {
    async fn read(&self, key: &TokenKey) -> Result<Option<Versioned<TokenRecord>>, StoreError> {
        Ok(self.provider.read(key).await?.map(|stored| self.open(key, stored)))
    }

    async fn write(
        &self,
        key: &TokenKey,
        expected: Option<Version>,
        id: WriteId,
        next: &TokenRecord,
    ) -> Result<Swap<TokenRecord>, StoreError> {
        let token = match &next.token {
            Some(token) => Some(self.keys.seal(key, id, next, token)?),
            None => None,
        };
        let next = TokenRecord { token, ..next.clone() };
        Ok(match self.provider.write(key, expected, id, &next).await? {
            Swap::Applied(version) => Swap::Applied(version),
            Swap::Conflict(current) => Swap::Conflict(current.map(|stored| self.open(key, stored))),
        })
    }

    fn poll_policy(&self) -> PollPolicy {
        self.provider.poll_policy()
    }
}
