//! Sealed tokens and answers: who can read the store cannot use them; who can write to it cannot forge or move
//! them.

mod answers;
mod keys;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use funcify_core::{
    StoreError,
    idempotency::IdempotencyProvider,
    register::{Corruption, PollPolicy, RecordName, Swap, Version, Versioned, WriteId},
    token::{TokenPersistenceProvider, TokenRecord},
};

use super::Stores;
use crate::config_error::ConfigError;
use answers::SealedAnswers;
pub(crate) use keys::is_sealed;
pub(super) use keys::{SEAL_KEYS, SealKeys};

impl Stores {
    /// Seals the token of each record, and each answer of [`Idempotency`](crate::Idempotency), with AES-256-GCM, under these keys: `id:base64,id:base64`, each of
    /// 32 bytes. The first key seals and all of them open, so that a key can be replaced while the fleet
    /// runs. The rest of the record stays readable.
    ///
    /// The seal covers the key of the record, the digest, type, scope and times of the token, and the
    /// write that stored it. So a token can be neither altered nor moved to another record. A seal
    /// cannot show that a *whole* record was rolled back to an earlier one; that ends when the earlier
    /// token expires. A token that cannot be opened counts as missing, and is replaced. An answer that
    /// cannot be opened counts as not kept, and the work is not done again.
    ///
    /// [`from_env`](Self::from_env) seals both if `FUNCIFY_SEAL_KEYS` is set.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the place of the key that is invalid, and never shows a key.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::Stores;
    /// use funcify_core::{register::WriteId, token::{AccessToken, TokenRecord}};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let stores = Stores::from_url("memory:").await?;
    /// let keys = "2026-11:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    /// let sealed = stores.clone().sealed(keys)?;
    ///
    /// let key = "BEARER_TOKEN".parse()?;
    /// let record = TokenRecord { token: Some(AccessToken::from("canary")), ..TokenRecord::default() };
    /// sealed.tokens.write(&key, None, WriteId::random(), &record).await?;
    ///
    /// let stored = stores.tokens.read(&key).await?.unwrap().value.token.unwrap();
    /// assert!(stored.expose().starts_with("sealed:v1:2026-11:"));
    /// let opened = sealed.tokens.read(&key).await?.unwrap().value.token.unwrap();
    /// assert_eq!(opened.expose(), "canary");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn sealed(self, keys: &str) -> Result<Self, ConfigError> {
        let keys = Arc::new(SealKeys::parse(keys)?);
        let tokens = SealedTokens { store: self.tokens, keys: Arc::clone(&keys) };
        let idempotency = SealedAnswers { store: self.idempotency, keys };
        Ok(Self { tokens: Arc::new(tokens), idempotency: Arc::new(idempotency), ..self })
    }
}

/// A token store that seals the token of each record.
struct SealedTokens {
    store: Arc<dyn TokenPersistenceProvider>,
    keys: Arc<SealKeys>,
}

impl SealedTokens {
    fn open(&self, key: &RecordName, mut stored: Versioned<TokenRecord>) -> Versioned<TokenRecord> {
        let Some(token) = &stored.value.token else { return stored };
        match self.keys.open(key, WriteId::from(stored.version), &stored.value, token.expose()) {
            Some(token) => stored.value.token = Some(token),
            None => {
                stored.value = TokenRecord::default();
                stored.corruption = Some(Corruption::Sealed);
                tracing::warn!(%key, "a stored token cannot be unsealed, so it counts as missing");
            }
        }
        stored
    }
}

/// Seals the tokens of stores that are opened from the environment.
#[cfg(any(feature = "redis", feature = "dynamodb", feature = "ssm"))]
pub(super) fn seal(
    store: Arc<dyn TokenPersistenceProvider>,
    keys: &Arc<SealKeys>,
) -> Arc<dyn TokenPersistenceProvider> {
    Arc::new(SealedTokens { store, keys: Arc::clone(keys) })
}

/// The same for answers.
#[cfg(any(feature = "redis", feature = "dynamodb", feature = "ssm"))]
pub(super) fn seal_answers(
    store: Arc<dyn IdempotencyProvider>,
    keys: &Arc<SealKeys>,
) -> Arc<dyn IdempotencyProvider> {
    Arc::new(SealedAnswers { store, keys: Arc::clone(keys) })
}

/// In a build with the memory backend only, nobody else can read the store. So the binary need not
/// contain a cipher.
#[cfg(not(any(feature = "redis", feature = "dynamodb", feature = "ssm")))]
pub(super) fn seal(
    store: Arc<dyn TokenPersistenceProvider>,
    _keys: &Arc<SealKeys>,
) -> Arc<dyn TokenPersistenceProvider> {
    store
}

/// The same for answers.
#[cfg(not(any(feature = "redis", feature = "dynamodb", feature = "ssm")))]
pub(super) fn seal_answers(
    store: Arc<dyn IdempotencyProvider>,
    _keys: &Arc<SealKeys>,
) -> Arc<dyn IdempotencyProvider> {
    store
}

impl fmt::Debug for SealedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SealedTokens").field(&self.store).finish()
    }
}

#[async_trait]
impl TokenPersistenceProvider for SealedTokens {
    async fn read(&self, key: &RecordName) -> Result<Option<Versioned<TokenRecord>>, StoreError> {
        Ok(self.store.read(key).await?.map(|stored| self.open(key, stored)))
    }

    async fn write(
        &self,
        key: &RecordName,
        expected: Option<Version>,
        id: WriteId,
        next: &TokenRecord,
    ) -> Result<Swap<TokenRecord>, StoreError> {
        let token = match &next.token {
            Some(token) => Some(self.keys.seal(key, id, next, token)?),
            None => None,
        };
        let next = TokenRecord { token, ..next.clone() };
        Ok(match self.store.write(key, expected, id, &next).await? {
            Swap::Applied(version) => Swap::Applied(version),
            Swap::Conflict(current) => Swap::Conflict(current.map(|stored| self.open(key, stored))),
        })
    }

    fn poll_policy(&self) -> PollPolicy {
        self.store.poll_policy()
    }
}
