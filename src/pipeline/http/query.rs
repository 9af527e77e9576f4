//! Builds the query of a request from the parameters of the event.

use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::json::text::Text;

/// How a source delivers the names and values of parameters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Decoded. They are encoded again for the query.
    Decoded,
    /// Encoded, as the client sent them.
    Encoded,
}

/// The characters that are encoded in names and values: all except the unreserved characters of RFC 3986,
/// section 2.3.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The characters that are encoded in a query that is already encoded: those that a URI may not contain.
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'\\');

/// Appends a whole query as the client sent it. Characters that a URI may not contain are encoded.
pub(crate) fn push_raw(out: &mut String, query: &str) {
    out.extend(utf8_percent_encode(query, QUERY));
}

/// Appends the parameters in the object `json`. A value is a string or a list of strings.
///
/// Names that are in the object `known` are left out.
///
/// # Errors
///
/// If a value has another type.
pub(crate) fn push_parameters(
    out: &mut String,
    json: &str,
    encoding: Encoding,
    known: Option<&str>,
) -> Result<(), serde_json::Error> {
    let known = known.map(names).transpose()?.unwrap_or_default();
    serde_json::Deserializer::from_str(json).deserialize_map(Push { out, encoding, known })
}

/// The names of the members of an object, sorted for binary search: the client chooses how many there are.
fn names(json: &str) -> Result<Vec<Text<'_>>, serde_json::Error> {
    struct Names;

    impl<'de> Visitor<'de> for Names {
        type Value = Vec<Text<'de>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut names = Vec::new();
            while let Some((name, IgnoredAny)) = map.next_entry()? {
                names.push(name);
            }
            names.sort_unstable_by(|one: &Text<'_>, other| (**one).cmp(other));
            Ok(names)
        }
    }

    serde_json::Deserializer::from_str(json).deserialize_map(Names)
}

struct Push<'o, 'k> {
    out: &'o mut String,
    encoding: Encoding,
    known: Vec<Text<'k>>,
}

impl<'de> Visitor<'de> for Push<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of query parameters")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Text<'de>>()? {
            if self.known.binary_search_by(|known| (**known).cmp(&name)).is_ok() {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            map.next_value_seed(Values { out: self.out, encoding: self.encoding, name: &name })?;
        }
        Ok(())
    }
}

struct Values<'o> {
    out: &'o mut String,
    encoding: Encoding,
    name: &'o str,
}

impl Values<'_> {
    fn push(&mut self, value: &str) {
        if !self.out.ends_with('?') {
            self.out.push('&');
        }
        self.component(self.name);
        self.out.push('=');
        self.component(value);
    }

    fn component(&mut self, text: &str) {
        match self.encoding {
            Encoding::Decoded => self.out.extend(utf8_percent_encode(text, COMPONENT)),
            Encoding::Encoded => push_raw(self.out, text),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Values<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Values<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value of a query parameter, or a list of values")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(mut self, value: &str) -> Result<(), E> {
        self.push(value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut values: A) -> Result<(), A::Error> {
        while let Some(value) = values.next_element::<Option<Text<'de>>>()? {
            if let Some(value) = value {
                self.push(&value);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(
        json: &str,
        encoding: Encoding,
        known: Option<&str>,
    ) -> Result<String, serde_json::Error> {
        let mut out = "?".to_owned();
        push_parameters(&mut out, json, encoding, known)?;
        Ok(out)
    }

    #[test]
    fn every_value_is_kept_and_encoded_once() {
        for (json, encoding, query) in [
            (
                r#"{"a":["1","2"],"b":"x y&z=ü"}"#,
                Encoding::Decoded,
                "?a=1&a=2&b=x%20y%26z%3D%C3%BC",
            ),
            (r#"{"a":"x%20y","b":"+"}"#, Encoding::Encoded, "?a=x%20y&b=+"),
            (r#"{"a":"x%20y"}"#, Encoding::Decoded, "?a=x%2520y"),
            (r#"{"a":"","n":null,"m":["1",null]}"#, Encoding::Decoded, "?a=&m=1"),
            ("{}", Encoding::Decoded, "?"),
        ] {
            assert_eq!(pushed(json, encoding, None).unwrap(), query, "{json}");
        }
    }

    #[test]
    fn known_names_are_left_out() {
        let query = pushed(r#"{"a":"2","b":"3"}"#, Encoding::Decoded, Some(r#"{"a":["1","2"]}"#));
        assert_eq!(query.unwrap(), "?b=3");
    }

    #[test]
    fn other_types_are_refused() {
        for json in [r#"{"a":1}"#, r#"{"a":{"b":"c"}}"#, r#"{"a":[1]}"#, "[]", "\"a=b\""] {
            assert!(pushed(json, Encoding::Decoded, None).is_err(), "{json}");
        }
    }
}
