//! The keys, and what they bind a token to.

use std::{collections::BTreeMap, fmt};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use funcify_core::{
    StoreError, StoreErrorKind,
    register::WriteId,
    token::{AccessToken, TokenKey, TokenRecord},
};
use zeroize::Zeroizing;

/// How a sealed token begins, followed by `kid:` and base64url of nonce, ciphertext and tag.
const FORMAT: &str = "sealed:v1:";

const KEYS: &str = "FUNCIFY_SEAL_KEYS";
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;

/// The keys that tokens are sealed with: the first one seals, all of them open, so that a key can
/// be replaced while the fleet runs.
pub struct SealKeys {
    first: String,
    ring: BTreeMap<String, Zeroizing<Vec<u8>>>,
}

impl SealKeys {
    /// The keys in `FUNCIFY_SEAL_KEYS`; `None` if it is not set.
    ///
    /// # Errors
    ///
    /// [`SealKeysError`] if it is set to something else than keys, be it to nothing: tokens that are
    /// meant to be sealed are not stored in the clear because a secret came out empty.
    pub fn from_env() -> Result<Option<Self>, SealKeysError> {
        match std::env::var(KEYS) {
            Ok(keys) => Self::parse(&Zeroizing::new(keys)).map(Some),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(SealKeysError::NotUnicode),
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
        for (place, entry) in (1..).zip(keys.split(',')) {
            let (id, key) = entry.trim().split_once(':').ok_or(SealKeysError::NotAKey { place })?;
            let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
            if !(1..=32).contains(&id.len()) || !id.bytes().all(is_legal) {
                return Err(SealKeysError::Id { place });
            }
            let wrong = || SealKeysError::Key { place };
            let key = Zeroizing::new(STANDARD.decode(key).map_err(|_| wrong())?);
            if key.len() != KEY_BYTES {
                return Err(wrong());
            }
            if ring.insert(id.to_owned(), key).is_some() {
                return Err(SealKeysError::Twice { place });
            }
            first.get_or_insert_with(|| id.to_owned());
        }
        let first = first.ok_or(SealKeysError::NotAKey { place: 1 })?;
        Ok(Self { first, ring })
    }

    pub(crate) fn seal(
        &self,
        key: &TokenKey,
        write: WriteId,
        record: &TokenRecord,
        token: &AccessToken,
    ) -> Result<AccessToken, StoreError> {
        let failed = || StoreError::new("sealed", StoreErrorKind::Invalid, "sealing failed");
        let with = self.cipher(&self.first).ok_or_else(failed)?;
        let bound = Aad::from(bound(key, &self.first, write, record));
        let mut sealed = Zeroizing::new(token.expose().as_bytes().to_vec());
        let nonce = with.seal_in_place_append_tag(bound, &mut *sealed).map_err(|_| failed())?;
        let sealed = URL_SAFE_NO_PAD.encode([nonce.as_ref().as_slice(), &sealed].concat());
        Ok(AccessToken::new(format!("{FORMAT}{}:{sealed}", self.first)))
    }

    pub(crate) fn open(
        &self,
        key: &TokenKey,
        write: WriteId,
        record: &TokenRecord,
        sealed: &str,
    ) -> Option<AccessToken> {
        let (id, sealed) = sealed.strip_prefix(FORMAT)?.split_once(':')?;
        let with = self.cipher(id)?;
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut token = Zeroizing::new(sealed.to_vec());
        let bound = Aad::from(bound(key, id, write, record));
        let token = with.open_in_place(nonce, bound, &mut token).ok()?;
        std::str::from_utf8(token).ok().map(AccessToken::new)
    }

    fn cipher(&self, id: &str) -> Option<RandomizedNonceKey> {
        RandomizedNonceKey::new(&AES_256_GCM, self.ring.get(id)?).ok()
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
    part(key.as_ref().as_bytes());
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

/// Why keys were refused. It tells the place of the key, counted from 1, and nothing that stands
/// there: what looks like an id may be a key that came first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealKeysError {
    /// The variable is no text.
    #[error("expected keys as `id:base64,…`, got bytes that are no Unicode text")]
    NotUnicode,
    /// An entry is not an id and a key.
    #[error("expected keys as `id:base64,…`, key {place} is none")]
    NotAKey {
        /// Its place.
        place: usize,
    },
    /// An id has characters that it may not have.
    #[error("expected 1 to 32 of the characters A-Z a-z 0-9 _ . - as the id of key {place}")]
    Id {
        /// Its place.
        place: usize,
    },
    /// A key is not 32 bytes as base64.
    #[error("expected 32 bytes as base64 for key {place}")]
    Key {
        /// Its place.
        place: usize,
    },
    /// An id stands there twice.
    #[error("expected each id once, key {place} has one that stands before it")]
    Twice {
        /// Its place.
        place: usize,
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
        // A key that stands where its id should, and is as short as one may be.
        let (short, swapped) = ("a:AAEC", "AAECAwQFBgcICQoLDA0ODw:a");
        for (keys, expected) in [
            ("", SealKeysError::NotAKey { place: 1 }),
            ("AAECAwQFBgc", SealKeysError::NotAKey { place: 1 }),
            (&format!("{OLD},") as &str, SealKeysError::NotAKey { place: 2 }),
            ("a b:AAEC", SealKeysError::Id { place: 1 }),
            (short, SealKeysError::Key { place: 1 }),
            (swapped, SealKeysError::Key { place: 1 }),
            (&format!("{OLD},a:???"), SealKeysError::Key { place: 2 }),
            (&format!("{OLD},{OLD}"), SealKeysError::Twice { place: 2 }),
        ] {
            let error = SealKeys::parse(keys).unwrap_err();
            assert_eq!(error, expected, "{keys}");
            assert!(!error.to_string().contains("AAEC"));
        }
        assert!(!format!("{:?}", keys(&[OLD])).contains("AAEC"));
    }
}
