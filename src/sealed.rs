//! Tokens sealed at rest: whoever reads the store cannot use them, whoever writes it cannot forge
//! or move them.

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use funcify_core::{
    StoreError, StoreErrorKind,
    register::{Damage, Swap, Version, Versioned, WriteId},
    token::{AccessToken, TokenKey, TokenPersistenceProvider, TokenRecord},
};
use zeroize::Zeroizing;

/// How a sealed token begins, followed by `kid:` and base64url of nonce, ciphertext and tag.
const FORMAT: &str = "sealed:v1:";

const KEYS: &str = "FUNCIFY_SEAL_KEYS";
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;

/// A token store in which the token itself is sealed (AES-256-GCM); the rest of the record stays
/// readable.
///
/// Bound to the token are its key, its digest, type, scope and times, and the write that stored it:
/// it can be neither altered nor moved to another record. What a seal cannot show is that a *whole*
/// record was rolled back to an earlier one: that ends with the earlier token's expiry. A token that
/// cannot be opened counts as none, and is replaced.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use funcify::sealed::{SealKeys, Sealed};
/// use funcify_backend_memory::MemoryBackend;
/// use funcify_core::{register::WriteId, token::{AccessToken, TokenKey, TokenPersistenceProvider, TokenRecord}};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let store = Arc::new(MemoryBackend::default());
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
                stored.damage = Some(Damage::Sealed);
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
            Swap::Done(version) => Swap::Done(version),
            Swap::Conflict(current) => Swap::Conflict(current.map(|stored| self.open(key, stored))),
        })
    }
}

/// The keys that tokens are sealed with: the first one seals, all of them open, so that a key can
/// be replaced while the fleet runs.
pub struct SealKeys {
    first: String,
    ring: BTreeMap<String, RandomizedNonceKey>,
}

impl SealKeys {
    /// The keys in `FUNCIFY_SEAL_KEYS`; `None` if it is not set.
    ///
    /// # Errors
    ///
    /// [`SealKeysError`] if it is set to something else than keys.
    pub fn from_env() -> Result<Option<Self>, SealKeysError> {
        match std::env::var(KEYS) {
            Ok(keys) => Self::parse(&Zeroizing::new(keys)).map(Some),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(SealKeysError::NotAKey),
        }
    }

    /// Keys written as `id:base64,id:base64`, each of 32 bytes.
    ///
    /// # Errors
    ///
    /// [`SealKeysError`]; none of them shows a key.
    pub fn parse(keys: &str) -> Result<Self, SealKeysError> {
        let mut ring = BTreeMap::new();
        let mut first = None;
        for entry in keys.split(',') {
            let (id, key) = entry.trim().split_once(':').ok_or(SealKeysError::NotAKey)?;
            let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
            if !(1..=32).contains(&id.len()) || !id.bytes().all(is_legal) {
                return Err(SealKeysError::Id);
            }
            let wrong = || SealKeysError::Key { id: id.to_owned() };
            let key = Zeroizing::new(STANDARD.decode(key).map_err(|_| wrong())?);
            if key.len() != KEY_BYTES {
                return Err(wrong());
            }
            let key = RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(|_| wrong())?;
            if ring.insert(id.to_owned(), key).is_some() {
                return Err(SealKeysError::Twice { id: id.to_owned() });
            }
            first.get_or_insert_with(|| id.to_owned());
        }
        let first = first.ok_or(SealKeysError::NotAKey)?;
        Ok(Self { first, ring })
    }

    fn seal(
        &self,
        key: &TokenKey,
        write: WriteId,
        record: &TokenRecord,
        token: &AccessToken,
    ) -> Result<AccessToken, StoreError> {
        let failed = || StoreError::new("sealed", StoreErrorKind::Invalid, "sealing failed");
        let with = self.ring.get(&self.first).ok_or_else(failed)?;
        let bound = Aad::from(bound(key, &self.first, write, record));
        let mut sealed = Zeroizing::new(token.expose().as_bytes().to_vec());
        let nonce = with.seal_in_place_append_tag(bound, &mut *sealed).map_err(|_| failed())?;
        let sealed = URL_SAFE_NO_PAD.encode([nonce.as_ref().as_slice(), &sealed].concat());
        Ok(AccessToken::new(format!("{FORMAT}{}:{sealed}", self.first)))
    }

    fn open(
        &self,
        key: &TokenKey,
        write: WriteId,
        record: &TokenRecord,
        sealed: &str,
    ) -> Option<AccessToken> {
        let (id, sealed) = sealed.strip_prefix(FORMAT)?.split_once(':')?;
        let with = self.ring.get(id)?;
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut token = Zeroizing::new(sealed.to_vec());
        let bound = Aad::from(bound(key, id, write, record));
        let token = with.open_in_place(nonce, bound, &mut token).ok()?;
        std::str::from_utf8(token).ok().map(AccessToken::new)
    }
}

impl fmt::Debug for SealKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SealKeys").field(&self.ring.keys()).finish()
    }
}

/// What a sealed token is bound to, each part with its length, so that no two lists read the same.
fn bound(key: &TokenKey, id: &str, write: WriteId, record: &TokenRecord) -> Vec<u8> {
    let mut bound = Vec::with_capacity(256);
    let mut part = |bytes: &[u8]| {
        bound.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        bound.extend_from_slice(bytes);
    };
    part(FORMAT.as_bytes());
    part(key.as_str().as_bytes());
    part(id.as_bytes());
    part(&write.bits().to_be_bytes());
    part(record.digest.as_bytes());
    for text in [&record.token_type, &record.scope] {
        // Absent is not the same as empty.
        part(&[u8::from(text.is_some())]);
        part(text.as_deref().unwrap_or_default().as_bytes());
    }
    for time in [record.minted_at, record.refresh_at, record.expires_at] {
        part(&time.as_millis().to_be_bytes());
    }
    bound
}

/// Whether a token as it is stored is a sealed one: who has no key must not take it for a token.
pub(crate) fn is_sealed(token: &str) -> bool {
    token.starts_with(FORMAT)
}

/// Why keys were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealKeysError {
    /// An entry is not an id and a key.
    #[error("expected keys as `id:base64,…` (FUNCIFY_SEAL_KEYS)")]
    NotAKey,
    /// An id has characters that it may not have.
    #[error(
        "expected 1 to 32 of the characters A-Z a-z 0-9 _ . - as a key's id (FUNCIFY_SEAL_KEYS)"
    )]
    Id,
    /// A key is not 32 bytes as base64.
    #[error("expected 32 bytes as base64 for the key `{id}` (FUNCIFY_SEAL_KEYS)")]
    Key {
        /// Its id.
        id: String,
    },
    /// An id stands there twice.
    #[error("expected the key `{id}` once (FUNCIFY_SEAL_KEYS)")]
    Twice {
        /// The id.
        id: String,
    },
}

#[cfg(test)]
mod tests {
    use funcify_core::Timestamp;

    use super::*;

    const OLD: &str = "old:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const NEW: &str = "new:HxwdHhkaGxgVFhcUERITEA0ODwwJCgsIBQYHBAECAwA=";

    fn keys(keys: &[&str]) -> SealKeys {
        SealKeys::parse(&keys.join(",")).unwrap()
    }

    fn record(number: i64) -> TokenRecord {
        TokenRecord {
            digest: "0123456789abcdef0123456789abcdef".to_owned(),
            token_type: Some("Bearer".to_owned()),
            scope: Some("a b".to_owned()),
            minted_at: Timestamp::from_millis(1_700_000_000_000 + number),
            refresh_at: Timestamp::from_millis(1_700_002_700_000 + number),
            expires_at: Timestamp::from_millis(1_700_003_600_000 + number),
            ..TokenRecord::default()
        }
    }

    #[test]
    fn every_flipped_bit_and_every_moved_or_altered_field_is_refused() {
        let (keys, key) = (keys(&[NEW, OLD]), TokenKey::default());
        let (other, write) = (TokenKey::new("OTHER").unwrap(), WriteId::random());
        let token = AccessToken::new("2YotnFZFEjr1zCsicMWpAA");
        let mut mutations = 0;
        let mut refused = |key: &TokenKey, write, record: &TokenRecord, sealed: &str| {
            mutations += 1;
            assert_eq!(keys.open(key, write, record, sealed), None, "{sealed} {record:?}");
        };
        for number in 0..14 {
            let record = record(number);
            let sealed = keys.seal(&key, write, &record, &token).unwrap();
            let text = sealed.expose().to_owned();
            assert_eq!(keys.open(&key, write, &record, &text).as_ref(), Some(&token));
            for bit in 0..text.len() * 8 {
                let mut bytes = text.clone().into_bytes();
                bytes[bit / 8] ^= 1 << (bit % 8);
                refused(&key, write, &record, &String::from_utf8_lossy(&bytes));
            }
            for length in 0..text.len() {
                refused(&key, write, &record, &text[..length]);
            }
            refused(&other, write, &record, &text);
            refused(&key, WriteId::random(), &record, &text);
            let later = |time: Timestamp| time + std::time::Duration::from_millis(1);
            let altered = [
                TokenRecord { digest: "fedcba9876543210fedcba9876543210".into(), ..record.clone() },
                TokenRecord { token_type: None, ..record.clone() },
                TokenRecord { token_type: Some("DPoP".to_owned()), ..record.clone() },
                TokenRecord { scope: None, ..record.clone() },
                TokenRecord { scope: Some("a b c".to_owned()), ..record.clone() },
                TokenRecord { scope: Some(String::new()), ..record.clone() },
                TokenRecord {
                    scope: record.token_type.clone(),
                    token_type: record.scope.clone(),
                    ..record.clone()
                },
                TokenRecord { minted_at: later(record.minted_at), ..record.clone() },
                TokenRecord { refresh_at: later(record.refresh_at), ..record.clone() },
                TokenRecord { expires_at: later(record.expires_at), ..record.clone() },
                TokenRecord {
                    refresh_at: record.expires_at,
                    expires_at: record.refresh_at,
                    ..record.clone()
                },
            ];
            for altered in altered {
                refused(&key, write, &altered, &text);
            }
            let renamed = text.replace(":new:", ":old:");
            refused(&key, write, &record, &renamed);
            refused(&key, write, &record, token.expose());
        }
        assert!(mutations >= 10_000, "{mutations}");
    }

    #[test]
    fn a_key_is_replaced_while_the_fleet_runs() {
        let (key, write, record) = (TokenKey::default(), WriteId::random(), record(0));
        let token = AccessToken::new("2YotnFZFEjr1zCsicMWpAA");
        let before = keys(&[OLD]).seal(&key, write, &record, &token).unwrap();
        let rotating = keys(&[NEW, OLD]);
        assert_eq!(rotating.open(&key, write, &record, before.expose()), Some(token.clone()));
        let after = rotating.seal(&key, write, &record, &token).unwrap();
        assert!(after.expose().starts_with("sealed:v1:new:"));
        assert_eq!(keys(&[OLD]).open(&key, write, &record, after.expose()), None);
    }

    #[test]
    fn keys_are_read_or_refused_and_never_shown() {
        assert!(SealKeys::parse(&format!("{NEW} , {OLD}")).is_ok());
        let short = "a:AAEC";
        for (keys, expected) in [
            ("", SealKeysError::NotAKey),
            ("AAECAwQFBgc", SealKeysError::NotAKey),
            (&format!("{OLD},") as &str, SealKeysError::NotAKey),
            ("a b:AAEC", SealKeysError::Id),
            (short, SealKeysError::Key { id: "a".to_owned() }),
            ("a:???", SealKeysError::Key { id: "a".to_owned() }),
            (&format!("{OLD},{OLD}"), SealKeysError::Twice { id: "old".to_owned() }),
        ] {
            let error = SealKeys::parse(keys).unwrap_err();
            assert_eq!(error, expected, "{keys}");
            assert!(!error.to_string().contains("AAEC"));
        }
        assert!(!format!("{:?}", keys(&[OLD])).contains("AAEC"));
    }
}
