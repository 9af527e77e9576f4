//! JSON objects without repeated members.

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

/// Parses one JSON object. `None` for another value, and if a member occurs twice at any depth.
///
/// Parsers disagree on which of two equal members counts. A token could be checked with one of them and used
/// with the other (RFC 8725, section 2.6; RFC 7515, section 4).
pub(crate) fn parse_object(json: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice::<Distinct>(json).ok()?;
    serde_json::from_slice(json).ok()
}

/// Any JSON value without a repeated member. The value is checked and not kept.
struct Distinct;

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DistinctVisitor)
    }
}

struct DistinctVisitor;

impl<'de> Visitor<'de> for DistinctVisitor {
    type Value = Distinct;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated members")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Distinct, A::Error> {
        let mut seen = HashSet::new();
        while let Some(member) = map.next_key::<String>()? {
            if !seen.insert(member) {
                return Err(A::Error::custom("a member occurs twice"));
            }
            map.next_value::<Distinct>()?;
        }
        Ok(Distinct)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Distinct, A::Error> {
        while sequence.next_element::<Distinct>()?.is_some() {}
        Ok(Distinct)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Distinct, E> {
        Ok(Distinct)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Distinct, E> {
        Ok(Distinct)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Distinct, E> {
        Ok(Distinct)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Distinct, E> {
        Ok(Distinct)
    }

    fn visit_str<E>(self, _: &str) -> Result<Distinct, E> {
        Ok(Distinct)
    }

    fn visit_unit<E>(self) -> Result<Distinct, E> {
        Ok(Distinct)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_may_not_occur_twice_at_any_depth_or_spelling() {
        for good in
            [r"{}", r#"{"a":1,"b":[{"a":2},{"a":3}],"c":null,"d":{"a":1.5,"b":-1,"c":true}}"#]
        {
            assert!(parse_object(good.as_bytes()).is_some(), "{good}");
        }
        let twice = [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a":{"b":1,"b":2}}"#,
            r#"{"a":[{"b":1,"b":2}]}"#,
        ];
        let no_object = [
            "",
            "null",
            "[]",
            "1",
            "\"a\"",
            "{",
            "{}{}",
            "{\"a\":1e999}",
            "\u{feff}{}",
            "{\"a\":\"\\ud800\"}",
        ];
        for bad in twice.into_iter().chain(no_object) {
            assert!(parse_object(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(parse_object(b"{\"a\":\"\xff\"}").is_none());
        assert!(parse_object("{\"a\":".repeat(100_000).as_bytes()).is_none());
    }
}
