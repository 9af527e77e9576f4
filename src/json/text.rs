//! JSON text that is known to be valid, read without copying.

use std::{borrow::Cow, fmt, num::NonZeroU32, ops::Deref};

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::json::string::is_escaped;
use crate::json::unescape::unescape;

/// A string that borrows from the JSON text unless it has escape sequences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;

        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Borrow)
    }
}

/// Where a member's value is in the text of an event. An `Option<Span>` takes only eight bytes, because an
/// event keeps one for every member that funcify knows, and most events have few of these members.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    start: u32,
    end: NonZeroU32,
}

impl Span {
    /// The span of `part`, a slice of `whole`. `None` beyond 4 GB: the largest event of Lambda is 6 MB.
    pub(crate) fn of(part: &str, whole: &str) -> Option<Self> {
        let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
        let end = u32::try_from(start.checked_add(part.len())?).ok()?;
        Some(Self { start: u32::try_from(start).ok()?, end: NonZeroU32::new(end)? })
    }

    pub(crate) fn in_text(self, whole: &str) -> &str {
        whole.get(self.start as usize..self.end.get() as usize).unwrap_or_default()
    }
}

/// The content of a JSON string, borrowed unless it has escape sequences. `None` for another value.
pub(crate) fn string(json: &str) -> Option<Cow<'_, str>> {
    let content = json.strip_prefix('"')?.strip_suffix('"')?;
    if is_escaped(content.as_bytes()) {
        return unescape(content).map(Cow::Owned);
    }
    Some(Cow::Borrowed(content))
}

/// What kind of value this is, for an error that must not show the value.
pub(crate) fn described(json: &str) -> &'static str {
    match json.as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'[') => "a list",
        Some(b'{') => "an object",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// The text of a JSON array from its first value on. `None` for an empty array or another value.
pub(crate) fn from_first(array: &str) -> Option<&str> {
    let inside = array.strip_prefix('[')?.trim_ascii_start();
    (!inside.starts_with(']')).then_some(inside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::scan::members;

    #[test]
    fn the_first_value_of_an_array_is_found() {
        let array = r#" [ {"a":[1]},{"a":2}]"#.trim();
        let [a] = members(from_first(array).unwrap(), |name| (name == "a").then_some(0)).unwrap();
        assert_eq!(a, Some("[1]"));
        assert_eq!(from_first("[]"), None);
        assert_eq!(from_first("[ ]"), None);
        assert_eq!(from_first("{}"), None);
    }

    #[test]
    fn a_string_is_borrowed_unless_escaped() {
        assert!(matches!(string(r#""plain""#), Some(Cow::Borrowed("plain"))));
        assert_eq!(string(r#""a\n""#).as_deref(), Some("a\n"));
        for odd in ["1", "null", "{}", r#""\ud800""#] {
            assert_eq!(string(odd), None, "{odd}");
        }
    }
}
