//! Sealed tokens and answers. Somebody who can read the store cannot use them, and somebody who can write
//! to it cannot forge or move them.

mod answers;
mod keys;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use funcify_core::{
    StoreError,
    idempotency::IdempotencyProvider,
    register::{Corruption, PollPolicy, RecordName, Swap, Version, Versioned, WriteId},
    token::{AccessToken, TokenPersistenceProvider, TokenRecord},
};

use super::Stores;
use crate::config_error::ConfigError;
use answers::SealedAnswers;
pub(crate) use keys::is_sealed;
pub(super) use keys::{SEAL_KEYS, SealKeys};

impl Stores {
    /// Seals each token and each answer of [`Idempotency`](crate::Idempotency) with AES-256-GCM (NIST
    /// SP 800-38D). The rest of a record stays readable.
    ///
    /// `keys` has the form `id:base64,id:base64`. An id is 1 to 32 of the characters `A-Z a-z 0-9 _ . -`, and
    /// a key is 32 bytes. The first key seals and all of them unseal, so that you can replace a key while the
    /// fleet runs.
    ///
    /// The seal covers the key of the record, the digest, type, scope and times of the token, and the write
    /// that stored it. So nobody can alter a token, or move it to another record. A seal cannot show that
    /// somebody put an earlier record back *as a whole*. That ends when the earlier token expires.
    ///
    /// A token that cannot be unsealed counts as missing and is replaced. An answer that cannot be unsealed
    /// counts as not kept, and the work is not done again.
    ///
    /// One entry may be `none`, which represents tokens and answers without a seal. `none,id:base64` stores
    /// them unsealed, and `id:base64,none` stores them sealed. Both use sealed and unsealed ones. Deploy
    /// these two, one after the other, to a fleet that runs without seals. The section *Sealing* of
    /// [`token`](crate::token) explains the steps.
    ///
    /// [`from_env`](Self::from_env) does this with the keys in `FUNCIFY_SEAL_KEYS`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Invalid`] names the position of the invalid key in the list. It never shows a key.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::{Stores, register::WriteId, token::{AccessToken, TokenRecord}};
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
        let tokens = SealedTokens::new(self.tokens, Arc::clone(&keys));
        let idempotency = SealedAnswers { store: self.idempotency, keys };
        Ok(Self { tokens: Arc::new(tokens), idempotency: Arc::new(idempotency), ..self })
    }
}

/// A token store that seals the token of each record.
struct SealedTokens {
    store: Arc<dyn TokenPersistenceProvider>,
    keys: Arc<SealKeys>,
    /// Whether this process has logged that a token is stored without a seal.
    has_logged: AtomicBool,
}

impl SealedTokens {
    fn new(store: Arc<dyn TokenPersistenceProvider>, keys: Arc<SealKeys>) -> Self {
        Self { store, keys, has_logged: AtomicBool::new(false) }
    }

    fn open(&self, key: &RecordName, mut stored: Versioned<TokenRecord>) -> Versioned<TokenRecord> {
        let Some(token) = &stored.value.token else { return stored };
        if !is_sealed(token.expose()) {
            if self.keys.seals() && !self.has_logged.swap(true, Ordering::Relaxed) {
                tracing::warn!(%key, "a token is stored without a seal: another process has no seal keys, or stores `none` first");
            }
            if self.keys.reads_unsealed() {
                return stored;
            }
        }
        let write = WriteId::from(stored.version);
        match self.keys.open(key, write, &stored.value, token.expose()) {
            Some(token) => {
                let meaning = stored.value.meaning.as_deref();
                let opened = meaning.and_then(|sealed| {
                    self.keys.open(key, write, &for_meaning(&stored.value), sealed)
                });
                stored.value.meaning = opened.map(|meaning| meaning.expose().to_owned());
                stored.value.token = Some(token);
            }
            None => {
                stored.value = TokenRecord::default();
                stored.corruption = Some(Corruption::Sealed);
                tracing::warn!(%key, "a stored token cannot be unsealed, so it counts as missing");
            }
        }
        stored
    }
}

/// The record that the seal of the meaning covers. Its type differs from that of the token, so that neither
/// can be put in the place of the other.
fn for_meaning(record: &TokenRecord) -> TokenRecord {
    TokenRecord { token_type: Some("meaning".to_owned()), ..record.clone() }
}

/// Seals the tokens of stores that are opened from the environment.
#[cfg(any(feature = "redis", feature = "dynamodb", feature = "ssm"))]
pub(super) fn seal(
    store: Arc<dyn TokenPersistenceProvider>,
    keys: &Arc<SealKeys>,
) -> Arc<dyn TokenPersistenceProvider> {
    Arc::new(SealedTokens::new(store, Arc::clone(keys)))
}

/// Seals the answers of stores that are opened from the environment.
#[cfg(any(feature = "redis", feature = "dynamodb", feature = "ssm"))]
pub(super) fn seal_answers(
    store: Arc<dyn IdempotencyProvider>,
    keys: &Arc<SealKeys>,
) -> Arc<dyn IdempotencyProvider> {
    Arc::new(SealedAnswers { store, keys: Arc::clone(keys) })
}

/// Returns the store itself. In a build with only the memory backend, no other process can read the store, so
/// the binary need not contain a cipher.
#[cfg(not(any(feature = "redis", feature = "dynamodb", feature = "ssm")))]
pub(super) fn seal(
    store: Arc<dyn TokenPersistenceProvider>,
    _keys: &Arc<SealKeys>,
) -> Arc<dyn TokenPersistenceProvider> {
    store
}

/// Returns the store itself, as [`seal`] does.
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
        // An unsealed meaning could be altered, and would then make the token look like that of others.
        let meaning = match next.meaning.as_deref().filter(|_| token.is_some()) {
            Some(meaning) => {
                let sealed =
                    self.keys.seal(key, id, &for_meaning(next), &AccessToken::from(meaning))?;
                Some(sealed.expose().to_owned())
            }
            None => next.meaning.clone(),
        };
        let next = TokenRecord { token, meaning, ..next.clone() };
        Ok(match self.store.write(key, expected, id, &next).await? {
            Swap::Applied(version) => Swap::Applied(version),
            Swap::Conflict(current) => Swap::Conflict(current.map(|stored| self.open(key, stored))),
        })
    }

    fn poll_policy(&self) -> PollPolicy {
        self.store.poll_policy()
    }
}
