//! A walk over JSON whose syntax was checked before: finds members, counts, and decodes nothing.

use std::borrow::Cow;

use super::text::{MAX_DEPTH, MAX_NODES, string};

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
    measured(json, place).map(|(found, _)| found)
}

/// The same, and whether the object is a tree of bearable size: at most 32 deep, at most 10,000
/// values.
pub(super) fn measured<const N: usize>(
    json: &str,
    place: impl Fn(&str) -> Option<usize>,
) -> Result<([Option<&str>; N], bool), Stopped> {
    let mut walk = Walk::over(json);
    let mut found = [None; N];
    walk.opening()?;
    if walk.take(b'}') {
        return Ok((found, walk.is_bearable()));
    }
    loop {
        let name = walk.name()?;
        let value = walk.value()?;
        if let Some(slot) = place(&name).and_then(|place| found.get_mut(place)) {
            if slot.is_some() {
                return Err(Stopped::Twice(name.into_owned()));
            }
            // A repeated `null` is no contradiction, but neither is it worth a rule of its own.
            *slot = (value != "null").then_some(value);
        }
        if !walk.take(b',') {
            let ends = walk.take(b'}');
            return if ends { Ok((found, walk.is_bearable())) } else { Err(Stopped::NoObject) };
        }
        walk.nodes += 1;
    }
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
struct Walk<'a> {
    json: &'a str,
    at: usize,
    depth: usize,
    deepest: usize,
    nodes: usize,
}

impl<'a> Walk<'a> {
    fn over(json: &'a str) -> Self {
        Self { json, at: 0, depth: 0, deepest: 0, nodes: 1 }
    }

    fn is_bearable(&self) -> bool {
        self.deepest <= MAX_DEPTH && self.nodes <= MAX_NODES
    }

    /// The name of a member, and what stands between it and its value.
    fn name(&mut self) -> Result<Cow<'a, str>, Stopped> {
        let quoted = self.value()?;
        let name = string(quoted).ok_or(Stopped::NoObject)?;
        if self.take(b':') { Ok(name) } else { Err(Stopped::NoObject) }
    }

    /// The next value, whole.
    fn value(&mut self) -> Result<&'a str, Stopped> {
        self.skip_space();
        let start = self.at;
        match self.byte()? {
            b'"' => {
                self.at += 1;
                self.string()?;
            }
            b'{' | b'[' => self.container()?,
            _ => self.scalar(),
        }
        let value = self.json.get(start..self.at).unwrap_or_default();
        if value.is_empty() { Err(Stopped::NoObject) } else { Ok(value) }
    }

    /// To the end of the object or list that begins here.
    fn container(&mut self) -> Result<(), Stopped> {
        let outside = self.depth;
        loop {
            let byte = self.byte()?;
            self.at += 1;
            match byte {
                b'"' => self.string()?,
                b'{' | b'[' => self.open(),
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == outside {
                        return Ok(());
                    }
                }
                b',' => self.nodes += 1,
                _ => {}
            }
        }
    }

    /// To the end of the string whose first quote was passed.
    fn string(&mut self) -> Result<(), Stopped> {
        loop {
            let rest = self.json.as_bytes().get(self.at..).unwrap_or_default();
            self.at += plain(rest);
            let byte = self.byte()?;
            self.at += 1;
            match byte {
                b'"' => return Ok(()),
                // Whatever it is that is escaped.
                b'\\' => self.at += 1,
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
    fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        let is_next = self.byte() == Ok(byte);
        self.at += usize::from(is_next);
        is_next
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

/// How many bytes come before the next quote or backslash, eight at a time.
///
/// A byte is zero where `(word - 0x01…) & !word & 0x80…` has its high bit; of several only the
/// lowest is sure (Mycroft's test, comp.arch 1987), which is the one that is asked for.
pub(super) fn plain(text: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & (ONES << 7);
    let (words, rest) = text.as_chunks::<8>();
    for (place, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let hits = zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\')));
        if hits != 0 {
            return place * 8 + (hits.trailing_zeros() / 8) as usize;
        }
    }
    let ends = |byte: &u8| matches!(byte, b'"' | b'\\');
    words.len() * 8 + rest.iter().position(ends).unwrap_or(rest.len())
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
            let (_, bearable) = measured::<1>(&json, |_| None).unwrap();
            assert_eq!(bearable, is_bearable(json.bytes(), MAX_DEPTH));
            bearable
        };
        assert!(within(&nested(31)));
        assert!(!within(&nested(32)));
        assert!(within(&wide(9_998)));
        assert!(!within(&wide(9_999)));
        assert!(within(&format!("\"\\\"{}\"", "[".repeat(100))));
    }

    proptest! {
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
