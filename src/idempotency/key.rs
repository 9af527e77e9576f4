//! The name of a record, which is made of the key, and its fingerprint, which is made of the payload.

use aws_lc_rs::digest::{Digest, SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use funcify_core::{StoreError, StoreErrorKind, engine::hex, register::RecordName};
use serde::Serialize;
use serde_json::Value;

/// The longest scope. A name has up to 64 characters: the scope, a dot, and a hash of 43 characters.
pub(super) const LONGEST_SCOPE: usize = 20;

/// A key within its scope, as a hash: it reveals nothing of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key(pub(super) RecordName);

impl Key {
    /// Makes the key of a value from the user. The elements of a tuple or a list are its parts.
    pub(crate) fn new(scope: &str, key: &(impl Serialize + ?Sized)) -> Result<Self, StoreError> {
        let parts = match serde_json::to_value(key).map_err(invalid)? {
            Value::Array(parts) => parts,
            part => vec![part],
        };
        let is_empty = |part: &Value| part.is_null() || part.as_str() == Some("");
        if parts.is_empty() || parts.iter().any(is_empty) {
            return Err(invalid("expected a key, got an empty one"));
        }
        let hash = parts.iter().fold(Parts::of("key").and(scope), Parts::and_json).hash();
        let mut name = String::with_capacity(64);
        name.push_str(scope);
        name.push('.');
        URL_SAFE_NO_PAD.encode_string(hash, &mut name);
        name.parse().map(Self).map_err(invalid)
    }

    /// The name of the key's record.
    pub(crate) fn name(&self) -> &RecordName {
        &self.0
    }

    /// A hash of the key and the payload: 128 bits in hexadecimal.
    pub(super) fn fingerprint(
        &self,
        payload: &(impl Serialize + ?Sized),
    ) -> Result<String, StoreError> {
        let payload = serde_json::to_value(payload).map_err(invalid)?;
        let hash = Parts::of("payload").and(self.0.as_ref()).and_json(&payload).hash();
        Ok(hex(hash.as_ref(), 16))
    }

    /// A UUID of version 8 (RFC 9562 §5.8) for a step of the work. It is the same in every attempt.
    pub(super) fn step(&self, step: &str) -> String {
        let hash = Parts::of("step").and(self.0.as_ref()).and(step).hash();
        let mut uuid = hex(hash.as_ref(), 16);
        uuid.replace_range(12..13, "8");
        let variant = match hash.as_ref().get(8).map_or(0, |byte| byte >> 6) {
            0 => "8",
            1 => "9",
            2 => "a",
            _ => "b",
        };
        uuid.replace_range(16..17, variant);
        for place in [20, 16, 12, 8] {
            uuid.insert(place, '-');
        }
        uuid
    }
}

/// What is hashed: several parts. Each part follows its length, so that no two lists of parts are the same
/// bytes.
struct Parts(Vec<u8>);

impl Parts {
    fn of(kind: &str) -> Self {
        Self(Vec::with_capacity(256)).and(kind)
    }

    fn and(mut self, part: &str) -> Self {
        self.0.extend_from_slice(&(part.len() as u64).to_be_bytes());
        self.0.extend_from_slice(part.as_bytes());
        self
    }

    fn and_json(mut self, part: &Value) -> Self {
        let start = self.0.len();
        self.0.extend_from_slice(&[0; 8]);
        write_canonical(part, &mut self.0);
        let length = (self.0.len() - start - 8) as u64;
        if let Some(place) = self.0.get_mut(start..start + 8) {
            place.copy_from_slice(&length.to_be_bytes());
        }
        self
    }

    fn hash(self) -> Digest {
        digest(&SHA256, &self.0)
    }
}

/// Writes JSON with the members of each object sorted by name, whatever order the map has.
fn write_canonical(value: &Value, text: &mut Vec<u8>) {
    match value {
        Value::Array(elements) => {
            text.push(b'[');
            for (place, element) in elements.iter().enumerate() {
                if place > 0 {
                    text.push(b',');
                }
                write_canonical(element, text);
            }
            text.push(b']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| name.as_str());
            text.push(b'{');
            for (place, (name, member)) in members.into_iter().enumerate() {
                if place > 0 {
                    text.push(b',');
                }
                let _ = serde_json::to_writer(&mut *text, name);
                text.push(b':');
                write_canonical(member, text);
            }
            text.push(b'}');
        }
        plain => {
            // Writing JSON into memory cannot fail.
            let _ = serde_json::to_writer(text, plain);
        }
    }
}

pub(super) fn invalid(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::new("idempotency", StoreErrorKind::Invalid, source)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn name(scope: &str, key: &Value) -> String {
        Key::new(scope, key).unwrap().0.to_string()
    }

    #[test]
    fn different_keys_have_different_names_of_63_characters_at_most() {
        let keys = [
            json!("a"),
            json!("b"),
            json!(1),
            json!("1"),
            json!(["a", "b"]),
            json!(["ab"]),
            json!(["a,b"]),
            json!(["b", "a"]),
            json!({"a": "b"}),
            json!("a.b"),
            json!(true),
            json!("\"a\",\"b\""),
        ];
        let mut names: Vec<_> = keys.iter().map(|key| name("orders", key)).collect();
        names.extend(keys.iter().map(|key| name("orders-", key)));
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 2 * keys.len());
        assert_eq!(name("orders", &json!("a")), name("orders", &json!(["a"])));
        assert_eq!(name(&"s".repeat(LONGEST_SCOPE), &json!("a")).len(), 64);
        assert!(!names[0].contains("\"a\""));
    }

    #[test]
    fn an_empty_key_is_refused() {
        for key in [json!(null), json!(""), json!([]), json!(["tenant", null]), json!(["", "a"])] {
            let error = Key::new("orders", &key).unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Invalid, "{key}");
        }
    }

    #[test]
    fn a_fingerprint_is_of_the_payload_and_of_the_key_and_not_of_the_order_of_members() {
        let (one, other) = (Key::new("a", "1").unwrap(), Key::new("a", "2").unwrap());
        let of = |key: &Key, payload: &str| {
            key.fingerprint(&serde_json::from_str::<Value>(payload).unwrap()).unwrap()
        };
        let print = of(&one, r#"{"b":[1,{"d":1,"c":2}],"a":1.5}"#);
        assert_eq!(print, of(&one, r#"{ "a":1.5, "b":[1,{"c":2,"d":1}] }"#));
        assert_ne!(print, of(&one, r#"{"b":[1,{"d":2,"c":1}],"a":1.5}"#));
        assert_ne!(print, of(&other, r#"{"b":[1,{"d":1,"c":2}],"a":1.5}"#));
        assert_eq!(print.len(), 32);
    }

    #[test]
    fn a_name_a_fingerprint_and_a_step_are_what_every_version_makes_of_them() {
        let parts = json!(["tenant \"\u{1}ü", 7, {"b": true, "a": [1.5, null]}]);
        let key = Key::new("orders", &parts).unwrap();
        assert_eq!(key.0.as_ref(), "orders.paGUdZsAD9ppKeu1L3r3PpRr9ResTSWwkLHiBy6eI_k");
        let payload = json!({"lines": [500, -1], "currency": "EUR"});
        assert_eq!(key.fingerprint(&payload).unwrap(), "ac33a4972896e66cf1b0c84390832a35");
        assert_eq!(key.step("charge"), "36482256-8588-8cdf-9ea9-811c65f485cc");
    }

    #[test]
    fn a_step_is_a_uuid_of_version_8_that_every_attempt_has() {
        let key = Key::new("orders", "7").unwrap();
        let step = key.step("charge");
        assert_eq!(step, Key::new("orders", "7").unwrap().step("charge"));
        assert_ne!(step, key.step("ship"));
        assert_ne!(step, Key::new("orders", "8").unwrap().step("charge"));
        let shape: Vec<usize> = step.split('-').map(str::len).collect();
        assert_eq!((shape, &step[14..15]), (vec![8, 4, 4, 4, 12], "8"), "{step}");
        assert!("89ab".contains(&step[19..20]), "{step}");
    }
}
