//! Reads the headers of an event into a [`HeaderMap`] whose values are slices of the event's text.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::json::text::Text;

/// Which headers of a member are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Take {
    All,
    /// Those whose name the map does not have yet.
    Missing,
    /// All but the cookies, which the source delivers in a list too.
    AllButCookies,
}

/// Adds the headers in the object `json` to `headers`. A value is a string or a list of strings.
///
/// # Errors
///
/// If a name or value is not valid in HTTP (a line break, a control character), or has another type.
pub(crate) fn fill(
    headers: &mut HeaderMap,
    json: &str,
    shared: &Bytes,
    take: Take,
) -> Result<(), serde_json::Error> {
    serde_json::Deserializer::from_str(json).deserialize_map(Fill { headers, shared, take })
}

struct Fill<'h> {
    headers: &'h mut HeaderMap,
    shared: &'h Bytes,
    take: Take,
}

impl<'de> Visitor<'de> for Fill<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of headers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Text<'de>>()? {
            let is_known = match self.take {
                Take::All => false,
                Take::Missing => self.headers.contains_key(&*name),
                Take::AllButCookies => name.eq_ignore_ascii_case("cookie"),
            };
            if is_known {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| A::Error::custom("expected the name of a header"))?;
            map.next_value_seed(Values {
                headers: self.headers,
                shared: self.shared,
                name: &name,
                listed: false,
            })?;
        }
        Ok(())
    }
}

struct Values<'h> {
    headers: &'h mut HeaderMap,
    shared: &'h Bytes,
    name: &'h HeaderName,
    /// Whether these values are in a list. A list in a list has no meaning.
    listed: bool,
}

impl Values<'_> {
    fn push<E: Error>(&mut self, value: Option<HeaderValue>) -> Result<(), E> {
        let name = self.name;
        let value = value.ok_or_else(|| E::custom("expected the value of a header"))?;
        // `append` would panic if there are too many.
        self.headers.try_append(name, value).map_err(|_| E::custom("too many headers"))?;
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Values<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> DeserializeSeed<'de> for &mut Values<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Values { shared, name, .. } = *self;
        deserializer.deserialize_any(Values { headers: self.headers, shared, name, listed: true })
    }
}

impl<'de> Visitor<'de> for Values<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value of a header, or a list of values")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_borrowed_str<E: Error>(mut self, value: &'de str) -> Result<(), E> {
        let value = HeaderValue::from_maybe_shared(self.shared.slice_ref(value.as_bytes()));
        self.push(value.ok())
    }

    fn visit_str<E: Error>(mut self, value: &str) -> Result<(), E> {
        self.push(HeaderValue::from_bytes(value.as_bytes()).ok())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut values: A) -> Result<(), A::Error> {
        if self.listed {
            return Err(A::Error::custom("a list of values within a list"));
        }
        while values.next_element_seed(&mut self)?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(parts: &[(&str, Take)]) -> Result<Vec<(String, String)>, serde_json::Error> {
        let mut headers = HeaderMap::new();
        for (json, take) in parts {
            let shared = Bytes::copy_from_slice(json.as_bytes());
            let json = std::str::from_utf8(&shared).unwrap();
            fill(&mut headers, json, &shared, *take)?;
        }
        let text = |value: &HeaderValue| String::from_utf8(value.as_bytes().to_vec()).unwrap();
        Ok(headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect())
    }

    #[test]
    fn repeated_headers_keep_every_value_and_missing_names_are_added() {
        let headers = filled(&[
            (r#"{"X-A":["1","2"],"x-n":null,"X-E":"a\"b"}"#, Take::All),
            (r#"{"x-a":"2","x-b":"ü"}"#, Take::Missing),
        ]);
        let expected = [("x-a", "1"), ("x-a", "2"), ("x-e", "a\"b"), ("x-b", "ü")];
        assert_eq!(headers.unwrap(), expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[test]
    fn a_malformed_header_is_refused() {
        for json in [
            r#"{"x-a":"1\r\n2"}"#,
            r#"{"x-a":"1\n"}"#,
            r#"{"x-a":"1\u0000"}"#,
            r#"{"x-a":"\u007f"}"#,
            r#"{"x a":"1"}"#,
            r#"{"x-a\r\nx-b":"1"}"#,
            r#"{"":"1"}"#,
            r#"{"x-a":1}"#,
            r#"{"x-a":[["1"],{"b":1}]}"#,
            r#"{"x-a":[["1"]]}"#,
            r#"{"x-a":[[]]}"#,
            r#"{"x-a":{"b":"1"}}"#,
            r#"["x-a"]"#,
            r#""x-a""#,
        ] {
            assert!(filled(&[(json, Take::All)]).is_err(), "{json}");
        }
    }
}
