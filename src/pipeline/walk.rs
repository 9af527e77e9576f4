//! A walk over JSON whose syntax was checked before: finds members, counts, and decodes nothing.

use std::borrow::Cow;

use super::{
    text::{MAX_DEPTH, MAX_NODES},
    unescape::unescape,
};

/// Why a walk ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// It is no object.
    NoObject,
    /// A member that has a place stands there twice: two readers could each believe another one.
    Twice(String),
}

/// Finds members of a JSON object in one pass, all values left as text; what follows the object is
/// not looked at.
///
/// `place` says where a name goes; what has no place is skipped, `null` is as good as absent. A
/// text that is no JSON is no fault here, and may be taken for an object.
pub(super) fn members<const N: usize>(
    json: &str,
    place: impl Fn(&str) -> Option<usize>,
) -> Result<[Option<&str>; N], Stopped> {
    let mut found = [None; N];
    Walk::over(json).each(|walk, name| {
        let value = walk.value()?;
        keep(&mut found, place(&name), &name, value)
    })?;
    Ok(found)
}

/// Keeps the value of a member in its place, if it has one.
pub(super) fn keep<'a>(
    found: &mut [Option<&'a str>],
    place: Option<usize>,
    name: &str,
    value: &'a str,
) -> Result<(), Stopped> {
    if let Some(slot) = place.and_then(|place| found.get_mut(place)) {
        if slot.is_some() {
            return Err(Stopped::Twice(name.to_owned()));
        }
        // A repeated `null` is no contradiction, but neither is it worth a rule of its own.
        *slot = (value != "null").then_some(value);
    }
    Ok(())
}

/// The first member of a JSON object whose name is one of `names`; nothing after it is looked at.
pub(super) fn first_of<'a>(json: &'a str, names: &[&str]) -> Option<&'a str> {
    let mut walk = Walk::over(json);
    walk.opening().ok()?;
    loop {
        let (name, value) = (walk.name().ok()?, walk.value().ok()?);
        if names.contains(&&*name) && value != "null" {
            return Some(value);
        }
        if !walk.take(b',') {
            return None;
        }
    }
}

/// A place in a text, and how much of a tree was met on the way to it.
pub(super) struct Walk<'a> {
    json: &'a str,
    at: usize,
    depth: usize,
    deepest: usize,
    nodes: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn over(json: &'a str) -> Self {
        Self { json, at: 0, depth: 0, deepest: 0, nodes: 1 }
    }

    /// Whether all that was walked is a tree of bearable size: at most 32 deep, at most 10,000 values.
    pub(super) fn is_bearable(&self) -> bool {
        self.deepest <= MAX_DEPTH && self.nodes <= MAX_NODES
    }

    /// Goes through the members of the object that comes next; `each` passes the value of each.
    pub(super) fn each(
        &mut self,
        mut each: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), Stopped>,
    ) -> Result<(), Stopped> {
        self.opening()?;
        if !self.take(b'}') {
            loop {
                let name = self.name()?;
                each(self, name)?;
                if !self.take(b',') {
                    break;
                }
                self.nodes += 1;
            }
            if !self.take(b'}') {
                return Err(Stopped::NoObject);
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// The name of a member, and what stands between it and its value.
    fn name(&mut self) -> Result<Cow<'a, str>, Stopped> {
        if !self.take(b'"') {
            return Err(Stopped::NoObject);
        }
        let start = self.at;
        let (end, is_escaped) = after_string(self.json.as_bytes(), start)?;
        self.at = end;
        let name = self.json.get(start..end - 1).unwrap_or_default();
        let name = match is_escaped {
            true => Cow::Owned(unescape(name).ok_or(Stopped::NoObject)?),
            false => Cow::Borrowed(name),
        };
        if self.take(b':') { Ok(name) } else { Err(Stopped::NoObject) }
    }

    /// What `pass` passes, whole.
    pub(super) fn within(
        &mut self,
        pass: impl FnOnce(&mut Self) -> Result<(), Stopped>,
    ) -> Result<&'a str, Stopped> {
        self.skip_space();
        let start = self.at;
        pass(self)?;
        let value = self.json.get(start..self.at).unwrap_or_default();
        if value.is_empty() { Err(Stopped::NoObject) } else { Ok(value) }
    }

    /// The next value, whole.
    pub(super) fn value(&mut self) -> Result<&'a str, Stopped> {
        self.within(|walk| {
            match walk.byte()? {
                b'"' => (walk.at, _) = after_string(walk.json.as_bytes(), walk.at + 1)?,
                b'{' | b'[' => walk.container()?,
                _ => walk.scalar(),
            }
            Ok(())
        })
    }

    /// To the end of the object or list that begins here.
    fn container(&mut self) -> Result<(), Stopped> {
        let text = self.json.as_bytes();
        let (outside, mut at) = (self.depth, self.at);
        loop {
            let byte = *text.get(at).ok_or(Stopped::NoObject)?;
            at += 1;
            match byte {
                b'"' => (at, _) = after_string(text, at)?,
                b'{' | b'[' => self.open(),
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == outside {
                        self.at = at;
                        return Ok(());
                    }
                }
                b',' => self.nodes += 1,
                _ => {}
            }
        }
    }

    /// To the end of a number, `true`, `false` or `null`.
    fn scalar(&mut self) {
        let rest = self.json.as_bytes().get(self.at..).unwrap_or_default();
        let ends =
            |byte: &u8| matches!(byte, b',' | b'}' | b']' | b':' | b' ' | b'\n' | b'\r' | b'\t');
        self.at += rest.iter().position(ends).unwrap_or(rest.len());
    }

    fn opening(&mut self) -> Result<(), Stopped> {
        if !self.take(b'{') {
            return Err(Stopped::NoObject);
        }
        self.open();
        Ok(())
    }

    fn open(&mut self) {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        self.nodes += 1;
    }

    /// Passes `byte`, if that is what comes next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.is_at(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Whether `byte` is what comes next.
    pub(super) fn is_at(&mut self, byte: u8) -> bool {
        // Machines write JSON without spaces.
        if self.byte() != Ok(byte) {
            self.skip_space();
        }
        self.byte() == Ok(byte)
    }

    fn skip_space(&mut self) {
        while matches!(self.byte(), Ok(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn byte(&self) -> Result<u8, Stopped> {
        self.json.as_bytes().get(self.at).copied().ok_or(Stopped::NoObject)
    }
}

/// Where the string ends, its last quote included, of which the content begins at `at`; and whether
/// anything in it is escaped.
///
/// Eight bytes at a time, and all that is escaped in them at once: JSON within JSON is full of it.
fn after_string(text: &[u8], mut at: usize) -> Result<(usize, bool), Stopped> {
    let mut is_escaped = false;
    while let Some(word) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*word);
        let quotes = marks(word, b'"');
        let mut hits = quotes | marks(word, b'\\');
        at += 8;
        while hits != 0 {
            let lowest = hits & hits.wrapping_neg();
            if quotes & lowest != 0 {
                return Ok((at - 7 + (lowest.trailing_zeros() / 8) as usize, is_escaped));
            }
            // Whatever it is that is escaped, perhaps in the next eight.
            is_escaped = true;
            at += usize::from(lowest.leading_zeros() == 0);
            hits &= !(lowest | lowest << 8);
        }
    }
    loop {
        match text.get(at).ok_or(Stopped::NoObject)? {
            b'"' => return Ok((at + 1, is_escaped)),
            b'\\' => {
                is_escaped = true;
                at += 2;
            }
            _ => at += 1,
        }
    }
}

/// Whether anything in the content of a string is escaped.
pub(super) fn is_escaped(content: &[u8]) -> bool {
    let (words, rest) = content.as_chunks::<8>();
    words.iter().any(|word| marks(u64::from_le_bytes(*word), b'\\') != 0) || rest.contains(&b'\\')
}

/// The high bits of those bytes in `word` that are `byte`: `(word & 0x7f…) + 0x7f…` has it where any
/// other bit of a byte is set (Warren: *Hacker's Delight*, 6-1).
pub(super) fn marks(word: u64, byte: u8) -> u64 {
    const LOW: u64 = u64::from_le_bytes([0x7f; 8]);
    let word = word ^ u64::from_le_bytes([byte; 8]);
    !(((word & LOW) + LOW) | word | LOW)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::text::is_bearable, *};

    fn ab(json: &str) -> Result<[Option<&str>; 2], Stopped> {
        members(json, |name| match name {
            "a" => Some(0),
            "b" => Some(1),
            _ => None,
        })
    }

    #[test]
    fn members_are_found_wherever_they_stand() {
        for (json, found) in [
            ("{}", [None, None]),
            (" { } ", [None, None]),
            (r#"{"a":1,"b":"2"}"#, [Some("1"), Some("\"2\"")]),
            ("{ \"b\" : [1, {\"a\": 2}] ,\n\"c\":null }", [None, Some("[1, {\"a\": 2}]")]),
            (r#"{"a":null,"x":{"a":"}"},"b":"\"a\":{"}"#, [None, Some(r#""\"a\":{""#)]),
            (r#"{"\u0061":true,"b\\":false}"#, [Some("true"), None]),
            (r#"{"a":1},{"a":2}]"#, [Some("1"), None]),
        ] {
            assert_eq!(ab(json), Ok(found), "{json}");
        }
    }

    #[test]
    fn a_member_that_stands_there_twice_is_refused() {
        assert_eq!(ab(r#"{"a":1,"c":1,"c":2,"a":1}"#), Err(Stopped::Twice("a".to_owned())));
        assert_eq!(ab(r#"{"a":1,"\u0061":1}"#), Err(Stopped::Twice("a".to_owned())));
        assert_eq!(ab(r#"{"a":null,"a":1}"#), Ok([Some("1"), None]));
    }

    #[test]
    fn the_first_of_some_names_ends_the_walk() {
        let json = r#"{"x":{"a":0},"b":null,"b":[2],"a":1,"broken"#;
        assert_eq!(first_of(json, &["a", "b"]), Some("[2]"));
        assert_eq!(first_of(json, &["a"]), Some("1"));
        assert_eq!(first_of(json, &["c"]), None);
        assert_eq!(first_of("{}", &["a"]), None);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for json in [
            "",
            " ",
            "[]",
            "1",
            "\"a\"",
            "{",
            "{\"a",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{1:2}",
            "{\"a\" 1}",
            "{\"a\\",
            "{\"a\":1,}",
            "{\"a\":}",
        ] {
            assert_eq!(ab(json), Err(Stopped::NoObject), "{json}");
        }
    }

    #[test]
    fn depth_and_size_are_those_of_the_whole_tree() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let wide = |values: usize| format!("[{}1]", "1,".repeat(values - 1));
        let within = |json: &str| {
            let json = format!("{{\"a\":{json}}}");
            let mut walk = Walk::over(&json);
            walk.each(|walk, _| walk.value().map(|_| ())).unwrap();
            let bearable = walk.is_bearable();
            assert_eq!(bearable, is_bearable(json.bytes(), MAX_DEPTH));
            bearable
        };
        assert!(within(&nested(31)));
        assert!(!within(&nested(32)));
        assert!(within(&wide(9_998)));
        assert!(!within(&wide(9_999)));
        assert!(within(&format!("\"\\\"{}\"", "[".repeat(100))));
    }

    #[test]
    fn the_bytes_that_are_marked_are_those_that_were_asked_for() {
        for (word, marked) in [
            (*b"........", 0),
            (*b"\".......", 0x80),
            (*b".\"#\".#!\"", 0x8000_0000_8000_8000),
            ([0xa2, 0x22, 0xa2, 0x23, 0, 0xff, 0x22, 0x21], 0x0080_0000_0000_8000),
        ] {
            assert_eq!(marks(u64::from_le_bytes(word), b'"'), marked, "{word:?}");
        }
    }

    proptest! {
        #[test]
        fn a_string_ends_where_a_reader_of_single_bytes_ends_it(text in "[a\"\\\\é]{0,30}") {
            let by_byte = |mut at: usize| loop {
                match text.as_bytes().get(at)? {
                    b'"' => break Some((at + 1, text.get(..at)?.contains('\\'))),
                    b'\\' => at += 2,
                    _ => at += 1,
                }
            };
            prop_assert_eq!(after_string(text.as_bytes(), 0).ok(), by_byte(0));
        }

        /// Whatever the text: the same members as a reader that decodes all of it.
        #[test]
        fn a_walk_finds_what_serde_finds(
            names in proptest::collection::hash_set("[ab\"\\\\{}é]{0,9}", 0..6),
            values in proptest::collection::vec(".{0,40}", 6),
        ) {
            let object: serde_json::Map<_, _> =
                names.into_iter().zip(values.into_iter().map(|text| vec![text].into())).collect();
            for json in [
                serde_json::to_string(&object).unwrap(),
                serde_json::to_string_pretty(&object).unwrap(),
            ] {
                let [a, b] = ab(&json).unwrap();
                let parsed = |value: Option<&str>| {
                    value.map(|json| serde_json::from_str::<serde_json::Value>(json).unwrap())
                };
                prop_assert_eq!(parsed(a), object.get("a").cloned());
                prop_assert_eq!(parsed(b), object.get("b").cloned());
            }
        }

        #[test]
        fn no_text_makes_a_walk_panic(text in "[{}\\[\\]\",:\\\\a é]{0,60}") {
            let _ = ab(&text);
            let _ = first_of(&text, &["a"]);
        }
    }
}
