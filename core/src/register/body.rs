use std::{fmt, str::FromStr};

use serde_json::{Map, Value};

/// The content of a record as a store sees it: one JSON object, otherwise opaque.
#[derive(Clone, Default, PartialEq)]
pub struct Body(Map<String, Value>);

impl Eq for Body {}

/// Why a record could not be read. It counts as empty, and the next write replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Corruption {
    /// What is stored is not a JSON object.
    #[error("the stored record is not a JSON object")]
    NotAnObject,
    /// It is a JSON object, but a member of it has an unknown form.
    #[error("the stored record has a member of an unknown form")]
    Unreadable,
    /// The token in it cannot be unsealed with the configured keys, or was moved here from another
    /// record.
    #[error("the stored token cannot be unsealed")]
    Sealed,
}

impl AsRef<Map<String, Value>> for Body {
    /// The members of the object.
    fn as_ref(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl FromStr for Body {
    type Err = Corruption;

    /// Parses what a store holds. Anything but one JSON object is [`Corruption::NotAnObject`].
    fn from_str(text: &str) -> Result<Self, Corruption> {
        serde_json::from_str(text).map(Self).map_err(|_| Corruption::NotAnObject)
    }
}

impl From<Map<String, Value>> for Body {
    fn from(members: Map<String, Value>) -> Self {
        Self(members)
    }
}

impl From<Body> for Map<String, Value> {
    fn from(body: Body) -> Self {
        body.0
    }
}

impl fmt::Display for Body {
    /// The object as compact JSON text: what a store writes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(&self.0).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

impl fmt::Debug for Body {
    /// The names of the members only: a body may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;

    #[test]
    fn only_one_json_object_is_a_body() {
        assert!(r#"{"a":1}"#.parse::<Body>().is_ok());
        for text in ["", "1", "[]", "null", "{", r#"{"a":1}{"b":2}"#, "{\"a\":1}\u{0}"] {
            assert_eq!(text.parse::<Body>(), Err(Corruption::NotAnObject), "{text}");
        }
        let deep = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
        assert_eq!(deep.parse::<Body>(), Err(Corruption::NotAnObject));
    }

    #[test]
    fn a_number_comes_back_as_it_was_however_often_it_is_read_and_written() {
        let chance = Chance::seeded(1);
        let numbers = (0..20_000).map(|_| f64::from_bits(chance.bits()));
        for number in numbers.filter(|number| number.is_finite()) {
            let written = format!(r#"{{"a":{number:e}}}"#).parse::<Body>().unwrap().to_string();
            let read = written.parse::<Body>().unwrap();
            assert_eq!(read.as_ref()["a"].as_f64(), Some(number), "{written}");
            assert_eq!(read.to_string(), written);
        }
    }

    #[test]
    fn the_debug_form_shows_no_content() {
        let body = r#"{"token":"canary"}"#.parse::<Body>().unwrap();
        assert_eq!(format!("{body:?}"), r#"{"token"}"#);
    }
}
