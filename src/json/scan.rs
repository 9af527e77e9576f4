//! A walk over JSON whose syntax was checked before: finds members, counts, and decodes nothing.

use std::borrow::Cow;

use crate::json::string::after_string;
use crate::json::text::{MAX_DEPTH, MAX_NODES};
use crate::json::unescape::unescape;

/// Why a walk ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
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
pub(crate) fn members<const N: usize>(
    json: &str,
    place: impl Fn(&str) -> Option<usize>,
) -> Result<[Option<&str>; N], Stopped> {
    let mut found = [None; N];
    Walk::over(json).each(|walk, name| {
        let value = walk.value().ok_or(Stopped::NoObject)?;
        keep(&mut found, place(&name), &name, value)
    })?;
    Ok(found)
}

/// Keeps the value of a member in its place, if it has one.
pub(crate) fn keep<'a>(
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
pub(crate) fn first_of<'a>(json: &'a str, names: &[&str]) -> Option<&'a str> {
    let mut walk = Walk::over(json);
    walk.opening()?;
    loop {
        let (name, value) = (walk.name()?, walk.value()?);
        if names.contains(&&*name) && value != "null" {
            return Some(value);
        }
        if !walk.take(b',') {
            return None;
        }
    }
}

/// A place in a text, and how much of a tree was met on the way to it.
pub(crate) struct Walk<'a> {
    json: &'a str,
    at: usize,
    depth: usize,
    deepest: usize,
    nodes: usize,
}

impl<'a> Walk<'a> {
    pub(crate) fn over(json: &'a str) -> Self {
        Self { json, at: 0, depth: 0, deepest: 0, nodes: 1 }
    }

    /// Whether all that was walked is a tree of bearable size: at most 32 deep, at most 10,000 values.
    pub(crate) fn is_bearable(&self) -> bool {
        self.deepest <= MAX_DEPTH && self.nodes <= MAX_NODES
    }

    /// Goes through the members of the object that comes next; `each` passes the value of each.
    pub(crate) fn each(
        &mut self,
        mut each: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), Stopped>,
    ) -> Result<(), Stopped> {
        self.opening().ok_or(Stopped::NoObject)?;
        if !self.take(b'}') {
            loop {
                let name = self.name().ok_or(Stopped::NoObject)?;
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
    pub(crate) fn name(&mut self) -> Option<Cow<'a, str>> {
        if !self.take(b'"') {
            return None;
        }
        let start = self.at;
        let (end, is_escaped) = after_string(self.json.as_bytes(), start)?;
        self.at = end;
        let name = self.json.get(start..end - 1).unwrap_or_default();
        let name = match is_escaped {
            true => Cow::Owned(unescape(name)?),
            false => Cow::Borrowed(name),
        };
        self.take(b':').then_some(name)
    }

    /// The content of the string that comes next, if nothing in it is escaped.
    pub(crate) fn plain_string(&mut self) -> Option<&'a str> {
        if !self.is_at(b'"') {
            return None;
        }
        let start = self.at + 1;
        let (end, is_escaped) = after_string(self.json.as_bytes(), start)?;
        let content = self.json.get(start..end - 1).filter(|_| !is_escaped)?;
        self.at = end;
        Some(content)
    }

    /// All that was not walked yet.
    pub(crate) fn rest(&self) -> &'a str {
        self.json.get(self.at..).unwrap_or_default()
    }

    /// Goes on by `length` bytes, which somebody else has read.
    pub(crate) fn pass(&mut self, length: usize) {
        self.at += length;
    }

    /// What `pass` passes, whole.
    pub(crate) fn within(
        &mut self,
        pass: impl FnOnce(&mut Self) -> Result<(), Stopped>,
    ) -> Result<&'a str, Stopped> {
        self.skip_space();
        let start = self.at;
        pass(self)?;
        self.since(start).ok_or(Stopped::NoObject)
    }

    /// The next value, whole.
    pub(crate) fn value(&mut self) -> Option<&'a str> {
        self.skip_space();
        let start = self.at;
        match self.byte()? {
            b'"' => (self.at, _) = after_string(self.json.as_bytes(), start + 1)?,
            b'{' | b'[' => self.container()?,
            _ => self.scalar(),
        }
        self.since(start)
    }

    fn since(&self, start: usize) -> Option<&'a str> {
        self.json.get(start..self.at).filter(|value| !value.is_empty())
    }

    /// To the end of the object or list that begins here.
    fn container(&mut self) -> Option<()> {
        let text = self.json.as_bytes();
        let (outside, mut at) = (self.depth, self.at);
        loop {
            let byte = *text.get(at)?;
            at += 1;
            match byte {
                b'"' => (at, _) = after_string(text, at)?,
                b'{' | b'[' => self.open(),
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == outside {
                        self.at = at;
                        return Some(());
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

    fn opening(&mut self) -> Option<()> {
        if !self.take(b'{') {
            return None;
        }
        self.open();
        Some(())
    }

    fn open(&mut self) {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        self.nodes += 1;
    }

    /// Passes `byte`, if that is what comes next.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.is_at(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Whether `byte` is what comes next.
    pub(crate) fn is_at(&mut self, byte: u8) -> bool {
        // Machines write JSON without spaces.
        if self.byte() != Some(byte) {
            self.skip_space();
        }
        self.byte() == Some(byte)
    }

    fn skip_space(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn byte(&self) -> Option<u8> {
        self.json.as_bytes().get(self.at).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::text::is_bearable;

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
            walk.each(|walk, _| walk.value().map(|_| ()).ok_or(Stopped::NoObject)).unwrap();
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
