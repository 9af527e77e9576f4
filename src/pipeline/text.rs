//! JSON text that is known to be valid, read without copying.

use std::{borrow::Cow, fmt, num::NonZeroU32, ops::Deref};

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::unescape::unescape;

/// A string that borrows from the event unless it is escaped there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

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

/// Where a member's value stands in the text of an event: small, since most events have few of the
/// members that have a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    start: u32,
    end: NonZeroU32,
}

impl Span {
    /// The span of `part`, which is a slice of `whole`; none in a text beyond 4 GB, which Lambda
    /// never sends.
    pub(super) fn of(part: &str, whole: &str) -> Option<Self> {
        let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
        let end = u32::try_from(start.checked_add(part.len())?).ok()?;
        Some(Self { start: u32::try_from(start).ok()?, end: NonZeroU32::new(end)? })
    }

    pub(super) fn in_text(self, whole: &str) -> &str {
        whole.get(self.start as usize..self.end.get() as usize).unwrap_or_default()
    }
}

/// The content of a JSON string, borrowed unless it is escaped; `None` if it is no string.
pub(super) fn string(json: &str) -> Option<Cow<'_, str>> {
    let content = json.strip_prefix('"')?.strip_suffix('"')?;
    if content.as_bytes().contains(&b'\\') {
        return unescape(content).map(Cow::Owned);
    }
    Some(Cow::Borrowed(content))
}

/// A JSON array from its first value on; `None` if it has none, or is no array.
pub(super) fn from_first(array: &str) -> Option<&str> {
    let inside = array.strip_prefix('[')?.trim_start();
    (!inside.starts_with(']')).then_some(inside)
}

#[cfg(test)]
mod tests {
    use super::{super::walk::members, *};

    #[test]
    fn the_first_of_an_array_is_read_alone() {
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
