use std::{fmt, str::FromStr};

use serde_json::{Map, Value};
use zeroize::{Zeroize, Zeroizing};

/// The most bytes that a record may have as text: 400 KB, the largest item of DynamoDB. The records of
/// funcify have a few kilobytes. Without this limit, another program that may write to the store could
/// store a record of any size, and every instance of the fleet would read and parse it repeatedly.
pub const MAX_RECORD_BYTES: usize = 400 * 1024;

/// The content of a record as a store sees it: one JSON object, whose members only the record's type
/// knows.
///
/// Its strings are wiped from memory when it is dropped, because one of them may be a token. Its `Debug`
/// form shows only the names of the members.
///
/// # Examples
///
/// ```
/// use funcify_core::register::{Body, Corruption};
///
/// let body: Body = r#"{"used": 7}"#.parse()?;
/// assert_eq!(body.to_string(), r#"{"used":7}"#);
/// assert_eq!(body.as_ref()["used"], 7);
/// assert_eq!("[7]".parse::<Body>(), Err(Corruption::NotAnObject));
/// # Ok::<(), Corruption>(())
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Body(Map<String, Value>);

impl Eq for Body {}

/// Why a record could not be read. Such a record counts as empty, and the next write replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Corruption {
    /// The stored text is not a JSON object.
    #[error("the stored record is not a JSON object")]
    NotAnObject,
    /// The stored text is a JSON object, but one of its members has an unknown form.
    #[error("the stored record has a member of an unknown form")]
    Unreadable,
    /// The stored text has more than 400 KB. It was not parsed.
    #[error("the stored record is larger than 400 KB")]
    TooLarge,
    /// The encrypted token in the record cannot be decrypted with the configured keys, or was copied from
    /// another record.
    #[error("the stored token cannot be unsealed")]
    Sealed,
}

impl AsRef<Map<String, Value>> for Body {
    /// Returns the members of the object.
    fn as_ref(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl FromStr for Body {
    type Err = Corruption;

    /// Parses the text that a store holds.
    ///
    /// # Errors
    ///
    /// [`Corruption::TooLarge`] if the text has more than 400 KB; it is not parsed then.
    /// [`Corruption::NotAnObject`] if it is not exactly one JSON object.
    fn from_str(text: &str) -> Result<Self, Corruption> {
        if text.len() > MAX_RECORD_BYTES {
            return Err(Corruption::TooLarge);
        }
        serde_json::from_str(text).map(Self).map_err(|_| Corruption::NotAnObject)
    }
}

impl From<Map<String, Value>> for Body {
    fn from(members: Map<String, Value>) -> Self {
        Self(members)
    }
}

impl From<Body> for Map<String, Value> {
    fn from(mut body: Body) -> Self {
        std::mem::take(&mut body.0)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|(_, value)| wipe(value));
    }
}

/// Wipes all strings in a value from memory.
fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => {
            // `zeroize` wipes unused capacity at once, and what is used byte by byte.
            text.clear();
            text.zeroize();
        }
        Value::Array(values) => values.iter_mut().for_each(wipe),
        Value::Object(members) => members.iter_mut().for_each(|(_, value)| wipe(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Formats the object as compact JSON text, which is wiped from memory when it is dropped.
///
/// All of its memory is allocated at once, because a buffer that grows leaves copies behind that are not
/// wiped.
#[must_use]
pub fn text_of(body: &Body) -> Zeroizing<String> {
    let mut text = Zeroizing::new(Vec::with_capacity(size_of(body)));
    // Writing JSON into memory cannot fail.
    let _ = serde_json::to_writer(&mut *text, &body.0);
    Zeroizing::new(String::from_utf8(std::mem::take(&mut *text)).unwrap_or_default())
}

/// Returns how many bytes the object takes as compact JSON text.
pub(super) fn size_of(body: &Body) -> usize {
    size_of_object(&body.0)
}

fn size_of_object(members: &Map<String, Value>) -> usize {
    let sizes = members.iter().map(|(name, value)| size_of_text(name) + 1 + size_of_value(value));
    sizes.sum::<usize>() + size_of_brackets(members.len())
}

fn size_of_value(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(true) => 4,
        Value::Bool(false) => 5,
        Value::Number(number) => match number.as_u64() {
            Some(number) => number.checked_ilog10().map_or(1, |power| power as usize + 1),
            None => number.to_string().len(),
        },
        Value::String(text) => size_of_text(text),
        Value::Array(values) => {
            values.iter().map(size_of_value).sum::<usize>() + size_of_brackets(values.len())
        }
        Value::Object(members) => size_of_object(members),
    }
}

/// The brackets around `count` values, and the commas between them.
fn size_of_brackets(count: usize) -> usize {
    2 + count.saturating_sub(1)
}

/// A text in quotes, with the escapes that RFC 8259 §7 requires.
fn size_of_text(text: &str) -> usize {
    let size_of_byte = |byte| match byte {
        b'"' | b'\\' | b'\x08' | b'\t' | b'\n' | b'\x0c' | b'\r' => 2,
        0..=0x1f => 6,
        _ => 1,
    };
    2 + text.bytes().map(size_of_byte).sum::<usize>()
}

impl fmt::Display for Body {
    /// Formats the object as compact JSON text, as a store writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text_of(self))
    }
}

impl fmt::Debug for Body {
    /// Shows only the names of the members, because a body may hold a token.
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
        let deep = format!("{}1{}", "{\"a\":".repeat(60_000), "}".repeat(60_000));
        assert!(deep.len() <= MAX_RECORD_BYTES);
        assert_eq!(deep.parse::<Body>(), Err(Corruption::NotAnObject));
    }

    #[test]
    fn text_beyond_the_limit_is_not_parsed_and_not_written() {
        let text = |bytes: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - 8));
        let largest = text(MAX_RECORD_BYTES).parse::<Body>().unwrap();
        assert_eq!(size_of(&largest), MAX_RECORD_BYTES);
        assert_eq!(largest.to_string(), text(MAX_RECORD_BYTES));
        assert_eq!(text(MAX_RECORD_BYTES + 1).parse::<Body>(), Err(Corruption::TooLarge));
        // The size alone decides, whatever the text is.
        assert_eq!("[".repeat(10_000_000).parse::<Body>(), Err(Corruption::TooLarge));
    }

    #[test]
    fn the_text_of_a_body_has_its_memory_from_the_start() {
        let controls: String = (0..=0x80).map(char::from).collect();
        let numbers =
            [0.into(), 9.into(), 10.into(), u64::MAX.into(), i64::MIN.into(), Value::from(1e-7)];
        let body = Body::from(Map::from_iter([
            (controls.clone(), controls.into()),
            ("numbers".to_owned(), Value::from_iter(numbers)),
            ("list".to_owned(), serde_json::json!([1, 2.5, null, [], {}, {"ü": true, "": false}])),
        ]));
        let text = text_of(&body);
        assert_eq!((text.len(), text.capacity()), (size_of(&body), size_of(&body)));
        assert_eq!(*text, serde_json::to_string(body.as_ref()).unwrap());
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
