//! JSON text that is known to be valid, read without copying.

use std::{borrow::Cow, fmt, num::NonZeroU32, ops::Deref};

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::json::string::is_escaped;
use crate::json::unescape::unescape;

/// A string that borrows from the event unless it is escaped there.
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

/// Where a member's value stands in the text of an event: small, since most events have few of the
/// members that have a place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    start: u32,
    end: NonZeroU32,
}

impl Span {
    /// The span of `part`, which is a slice of `whole`; none in a text beyond 4 GB, which Lambda
    /// never sends.
    pub(crate) fn of(part: &str, whole: &str) -> Option<Self> {
        let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
        let end = u32::try_from(start.checked_add(part.len())?).ok()?;
        Some(Self { start: u32::try_from(start).ok()?, end: NonZeroU32::new(end)? })
    }

    pub(crate) fn in_text(self, whole: &str) -> &str {
        whole.get(self.start as usize..self.end.get() as usize).unwrap_or_default()
    }

    pub(crate) fn before(self, whole: &str) -> &str {
        whole.get(..self.start as usize).unwrap_or_default()
    }

    pub(crate) fn after(self, whole: &str) -> &str {
        whole.get(self.end.get() as usize..).unwrap_or_default()
    }
}

/// The content of a JSON string, borrowed unless it is escaped; `None` if it is no string.
pub(crate) fn string(json: &str) -> Option<Cow<'_, str>> {
    let content = json.strip_prefix('"')?.strip_suffix('"')?;
    if is_escaped(content.as_bytes()) {
        return unescape(content).map(Cow::Owned);
    }
    Some(Cow::Borrowed(content))
}

/// A JSON array from its first value on; `None` if it has none, or is no array.
pub(crate) fn from_first(array: &str) -> Option<&str> {
    let inside = array.strip_prefix('[')?.trim_start();
    (!inside.starts_with(']')).then_some(inside)
}

/// How many levels a JSON text may have.
pub(crate) const MAX_DEPTH: usize = 32;
/// How many values it may have.
pub(crate) const MAX_NODES: usize = 10_000;

/// Whether a JSON text is a tree of bearable size: so many levels, at most 10,000 values.
///
/// One pass over the bytes of a text whose syntax was checked before.
pub(crate) fn is_bearable(json: impl Iterator<Item = u8>, max_depth: usize) -> bool {
    let (mut depth, mut nodes, mut quoted, mut escaped) = (0_usize, 1_usize, false, false);
    for byte in json {
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'{' | b'[' => {
                depth += 1;
                nodes += 1;
                if depth > max_depth {
                    return false;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' => nodes += 1,
            _ => {}
        }
    }
    nodes <= MAX_NODES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::scan::members;

    #[test]
    fn depth_and_size_are_counted_outside_of_strings_only() {
        let is_bearable = |json: &str| super::is_bearable(json.bytes(), MAX_DEPTH);
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(is_bearable(&nested(32)));
        assert!(!is_bearable(&nested(33)));
        assert!(is_bearable(&format!("\"{}\"", "[".repeat(100))));
        assert!(is_bearable(&format!("\"\\\"{}\"", "[".repeat(100))));
        let wide = |values: usize| format!("[{}1]", "1,".repeat(values - 1));
        assert!(is_bearable(&wide(9_999)));
        assert!(!is_bearable(&wide(10_000)));
    }

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
