//! The keys that seal tokens and answers, and the data that a seal covers.

use std::{collections::BTreeMap, fmt};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use funcify_core::{
    StoreError, StoreErrorKind,
    register::{RecordName, WriteId},
    token::{AccessToken, TokenRecord},
};
use zeroize::Zeroizing;

use crate::config_error::ConfigError;

/// The variable that holds the keys.
pub(crate) const SEAL_KEYS: &str = "FUNCIFY_SEAL_KEYS";

/// The prefix of a sealed text. After it come the id of the key, a colon, and as base64url the nonce, the
/// ciphertext and the tag.
const FORMAT: &str = "sealed:v1:";

/// The length of a key of AES-256.
const KEY_BYTES: usize = 32;

/// The length of a nonce of AES-GCM: 96 bits (NIST SP 800-38D, section 5.2.1.1).
const NONCE_BYTES: usize = 12;

/// The error for the key at `place` in the list, counted from 1. It shows no part of the value, because what
/// looks like an id may be a misplaced key.
fn invalid(place: usize, expected: &str) -> ConfigError {
    ConfigError::invalid(format!("seal key {place} is invalid: expected {expected}"))
}

/// The entry that represents tokens and answers without a seal.
const NONE: &str = "none";

/// The keys. The first one seals. All of them unseal.
pub(crate) struct SealKeys {
    /// The id of the key that seals. `None` if tokens and answers are stored without a seal.
    first: Option<String>,
    ring: BTreeMap<String, Zeroizing<Vec<u8>>>,
    /// Whether tokens and answers without a seal are used.
    reads_unsealed: bool,
}

impl SealKeys {
    /// Parses `id:base64,id:base64`, where each key has 32 bytes. One entry may be `none`. An error never
    /// contains a part of the text.
    pub(crate) fn parse(keys: &str) -> Result<Self, ConfigError> {
        let mut ring = BTreeMap::new();
        let (mut first, mut reads_unsealed) = (None, false);
        for (place, entry) in (1..).zip(keys.split(',')) {
            let invalid = |expected| invalid(place, expected);
            if entry.trim() == NONE {
                if std::mem::replace(&mut reads_unsealed, true) {
                    return Err(invalid("`none` once at most"));
                }
                first.get_or_insert(None);
                continue;
            }
            let (id, key) = entry.trim().split_once(':').ok_or_else(|| invalid("`id:base64`"))?;
            let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
            if !(1..=32).contains(&id.len()) || !id.bytes().all(is_legal) {
                return Err(invalid("1 to 32 of the characters A-Z a-z 0-9 _ . - as the id"));
            }
            let key = STANDARD.decode(key).map(Zeroizing::new).ok();
            let key = key
                .filter(|key| key.len() == KEY_BYTES)
                .ok_or_else(|| invalid("32 bytes as base64"))?;
            if ring.insert(id.to_owned(), key).is_some() {
                return Err(invalid("an id that no earlier key has"));
            }
            first.get_or_insert_with(|| Some(id.to_owned()));
        }
        if ring.is_empty() {
            return Err(invalid(1, "a key as `id:base64` besides `none`"));
        }
        Ok(Self { first: first.flatten(), ring, reads_unsealed })
    }

    /// Whether tokens and answers are stored sealed.
    pub(crate) fn seals(&self) -> bool {
        self.first.is_some()
    }

    /// Whether a token or an answer without a seal is used.
    pub(crate) fn reads_unsealed(&self) -> bool {
        self.reads_unsealed
    }

    /// Seals the token. Returns the token itself if `none` is the first entry.
    pub(crate) fn seal(
        &self,
        key: &RecordName,
        write: WriteId,
        record: &TokenRecord,
        token: &AccessToken,
    ) -> Result<AccessToken, StoreError> {
        let covered = |id: &str| covered(key, id, write, record);
        let sealed = self.seal_text(covered, token.expose())?;
        Ok(sealed.map_or_else(|| token.clone(), AccessToken::from))
    }

    pub(crate) fn open(
        &self,
        key: &RecordName,
        write: WriteId,
        record: &TokenRecord,
        sealed: &str,
    ) -> Option<AccessToken> {
        let token = self.open_text(|id| covered(key, id, write, record), sealed)?;
        std::str::from_utf8(&token).ok().map(AccessToken::from)
    }

    /// Seals a text under the first key. Returns `None` if `none` is the first entry. `covered` returns, for
    /// the id of the key, the data that the seal covers in addition to the text.
    pub(super) fn seal_text(
        &self,
        covered: impl FnOnce(&str) -> Vec<u8>,
        text: &str,
    ) -> Result<Option<String>, StoreError> {
        let Some(first) = &self.first else { return Ok(None) };
        let failed = || StoreError::new("sealed", StoreErrorKind::Invalid, "sealing failed");
        let cipher = self.cipher(first).ok_or_else(failed)?;
        let covered = Aad::from(covered(first));
        // There is room for the tag: a buffer that grows would leave a copy of the text in memory.
        let mut sealed = Zeroizing::new(Vec::with_capacity(text.len() + AES_256_GCM.tag_len()));
        sealed.extend_from_slice(text.as_bytes());
        let nonce = cipher.seal_in_place_append_tag(covered, &mut *sealed).map_err(|_| failed())?;
        let sealed = URL_SAFE_NO_PAD.encode([nonce.as_ref().as_slice(), &sealed].concat());
        Ok(Some(format!("{FORMAT}{first}:{sealed}")))
    }

    pub(super) fn open_text(
        &self,
        covered: impl FnOnce(&str) -> Vec<u8>,
        sealed: &str,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let (id, sealed) = sealed.strip_prefix(FORMAT)?.split_once(':')?;
        let cipher = self.cipher(id)?;
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = Zeroizing::new(sealed.to_vec());
        let length = cipher.open_in_place(nonce, Aad::from(covered(id)), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
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

/// The data that the seal covers in addition to the token.
fn covered(key: &RecordName, id: &str, write: WriteId, record: &TokenRecord) -> Vec<u8> {
    let mut all = vec![
        FORMAT.as_bytes().to_vec(),
        key.as_ref().as_bytes().to_vec(),
        id.as_bytes().to_vec(),
        write.bits().to_be_bytes().to_vec(),
        record.digest.as_bytes().to_vec(),
    ];
    for text in [&record.token_type, &record.scope] {
        // So that an absent text and an empty one differ.
        all.push(vec![u8::from(text.is_some())]);
        all.push(text.as_deref().unwrap_or_default().as_bytes().to_vec());
    }
    for time in [record.minted_at, record.refresh_at, record.expires_at] {
        all.push(time.as_millis().to_be_bytes().to_vec());
    }
    parts(&all.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// Joins several parts. Each part follows its length, so that no two lists of parts become the same bytes.
pub(super) fn parts(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

/// Whether a stored token is sealed. A process without the keys must not send it as a token.
pub(crate) fn is_sealed(token: &str) -> bool {
    token.starts_with(FORMAT)
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
    fn a_token_with_any_bit_flipped_or_any_covered_field_altered_is_not_opened() {
        let (keys, key) = (keys(&[NEW, OLD]), RecordName::try_from("BEARER_TOKEN").unwrap());
        let (other, write) = ("OTHER".parse().unwrap(), WriteId::random());
        let token = AccessToken::from("2YotnFZFEjr1zCsicMWpAA");
        let mut mutations = 0;
        let mut refused = |key: &RecordName, write, record: &TokenRecord, sealed: &str| {
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
    fn a_new_first_key_seals_and_the_old_one_still_opens() {
        let key = "BEARER_TOKEN".parse().unwrap();
        let (write, record) = (WriteId::random(), record(0));
        let token = AccessToken::from("2YotnFZFEjr1zCsicMWpAA");
        let before = keys(&[OLD]).seal(&key, write, &record, &token).unwrap();
        let rotating = keys(&[NEW, OLD]);
        assert_eq!(rotating.open(&key, write, &record, before.expose()), Some(token.clone()));
        let after = rotating.seal(&key, write, &record, &token).unwrap();
        assert!(after.expose().starts_with("sealed:v1:new:"));
        assert_eq!(keys(&[OLD]).open(&key, write, &record, after.expose()), None);
    }

    #[test]
    fn invalid_keys_are_refused_and_never_shown() {
        assert!(SealKeys::parse(&format!("{NEW} , {OLD}")).is_ok());
        // A short key, and a key and its id that were swapped.
        let (short, swapped) = ("a:AAEC", "AAECAwQFBgcICQoLDA0ODw:a");
        for (keys, expected) in [
            ("", "seal key 1 is invalid: expected `id:base64`"),
            ("AAECAwQFBgc", "seal key 1 is invalid: expected `id:base64`"),
            (&format!("{OLD},") as &str, "seal key 2 is invalid: expected `id:base64`"),
            ("a b:AAEC", "seal key 1 is invalid: expected 1 to 32 of the characters"),
            (short, "seal key 1 is invalid: expected 32 bytes as base64"),
            (swapped, "seal key 1 is invalid: expected 32 bytes as base64"),
            (&format!("{OLD},a:???"), "seal key 2 is invalid: expected 32 bytes as base64"),
            (&format!("{OLD},{OLD}"), "seal key 2 is invalid: expected an id that no earlier key"),
            ("none", "seal key 1 is invalid: expected a key as `id:base64` besides `none`"),
            (&format!("none,{OLD},none"), "seal key 3 is invalid: expected `none` once at most"),
        ] {
            let error = SealKeys::parse(keys).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.starts_with(expected), "{keys}: {shown}");
            assert!(!shown.contains("AAEC"), "{shown}");
        }
        assert!(!format!("{:?}", keys(&[OLD])).contains("AAEC"));
    }
}
