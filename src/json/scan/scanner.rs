use std::borrow::Cow;

use crate::json::string::after_string;
use crate::json::unescape::unescape;

/// Why a scan ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ScanError {
    /// The text is not an object.
    NotAnObject,
    /// The text is not a list.
    NotAList,
    /// The member with this name occurs twice. Two parsers could each use a different one of them.
    Repeated(String),
}

/// A position in JSON text.
///
/// The text must be valid JSON: syntax is not checked here.
pub(crate) struct Scan<'a> {
    json: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(json: &'a str) -> Self {
        Self { json, at: 0 }
    }

    /// Scans the object that comes next. `each` gets the name of each member and must scan its value.
    pub(crate) fn each<E: From<ScanError>>(
        &mut self,
        mut each: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.opening().ok_or(ScanError::NotAnObject)?;
        if !self.take(b'}') {
            loop {
                let name = self.name().ok_or(ScanError::NotAnObject)?;
                each(self, name)?;
                if !self.take(b',') {
                    break;
                }
            }
            if !self.take(b'}') {
                return Err(ScanError::NotAnObject.into());
            }
        }
        Ok(())
    }

    /// Scans the list that comes next. `each` must scan one value.
    pub(crate) fn each_of_list<E: From<ScanError>>(
        &mut self,
        mut each: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.take(b'[') {
            return Err(ScanError::NotAList.into());
        }
        if !self.take(b']') {
            loop {
                each(self)?;
                if !self.take(b',') {
                    break;
                }
            }
            if !self.take(b']') {
                return Err(ScanError::NotAList.into());
            }
        }
        Ok(())
    }

    /// Scans the name of a member and the colon after it.
    #[inline]
    pub(crate) fn name(&mut self) -> Option<Cow<'a, str>> {
        if !self.is_at(b'"') {
            return None;
        }
        let start = self.at + 1;
        let (rest, is_escaped) = after_string(self.bytes().get(1..)?)?;
        self.go_on_at(rest);
        let name = self.json.get(start..self.at - 1)?;
        if !self.take(b':') {
            return None;
        }
        match is_escaped {
            true => unescape(name).map(Cow::Owned),
            false => Some(Cow::Borrowed(name)),
        }
    }

    /// Scans the string that comes next, if it has no escape sequence, and returns its content.
    pub(crate) fn plain_string(&mut self) -> Option<&'a str> {
        if !self.is_at(b'"') {
            return None;
        }
        let start = self.at + 1;
        let (rest, is_escaped) = after_string(self.bytes().get(1..)?)?;
        if is_escaped {
            return None;
        }
        self.go_on_at(rest);
        self.json.get(start..self.at - 1)
    }

    /// The text that has not been scanned yet.
    pub(crate) fn rest(&self) -> &'a str {
        self.json.get(self.at..).unwrap_or_default()
    }

    /// Skips `length` bytes that another parser has read.
    pub(crate) fn skip(&mut self, length: usize) {
        self.at += length;
    }

    /// The text that `scan` scans.
    pub(crate) fn text_of(
        &mut self,
        scan: impl FnOnce(&mut Self) -> Result<(), ScanError>,
    ) -> Result<&'a str, ScanError> {
        let start = self.start();
        scan(self)?;
        self.since(start).ok_or(ScanError::NotAnObject)
    }

    /// Scans the next value and returns its text.
    pub(crate) fn value(&mut self) -> Option<&'a str> {
        self.skip_space();
        let start = self.at;
        let rest = match self.bytes() {
            [b'"', rest @ ..] => after_string(rest)?.0,
            [b'{' | b'[', ..] => after_container(self.bytes())?,
            rest => after_scalar(rest),
        };
        self.go_on_at(rest);
        self.since(start)
    }

    /// Where the next value starts.
    pub(crate) fn start(&mut self) -> usize {
        self.skip_space();
        self.at
    }

    /// The text that was scanned since `start`.
    pub(crate) fn since(&self, start: usize) -> Option<&'a str> {
        self.json.get(start..self.at).filter(|value| !value.is_empty())
    }

    pub(super) fn opening(&mut self) -> Option<()> {
        self.take(b'{').then_some(())
    }

    /// Scans `byte`, if it comes next.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.is_at(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Whether `byte` comes next, after any white space.
    #[inline]
    pub(crate) fn is_at(&mut self, byte: u8) -> bool {
        self.skip_space();
        self.byte() == Some(byte)
    }

    // Most JSON has no spaces between its parts, so there is a call only for spaces.
    #[inline]
    fn skip_space(&mut self) {
        if self.byte().is_some_and(|byte| byte <= b' ') {
            self.skip_spaces();
        }
    }

    #[inline(never)]
    fn skip_spaces(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn byte(&self) -> Option<u8> {
        self.json.as_bytes().get(self.at).copied()
    }

    /// The bytes that have not been scanned yet.
    fn bytes(&self) -> &'a [u8] {
        self.json.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Continues at `rest`, which must be the end of the text.
    fn go_on_at(&mut self, rest: &[u8]) {
        self.at = self.json.len() - rest.len();
    }
}

/// The text after the object or array that `text` begins with.
fn after_container(mut text: &[u8]) -> Option<&[u8]> {
    let mut depth = 0_usize;
    loop {
        let (byte, rest) = text.split_first()?;
        text = match byte {
            b'"' => {
                let mut rest = after_string(rest)?.0;
                // Strings mostly follow each other as names and values.
                while let [b':' | b',', b'"', next @ ..] = rest {
                    rest = after_string(next)?.0;
                }
                rest
            }
            b'{' | b'[' => {
                depth += 1;
                rest
            }
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(rest);
                }
                rest
            }
            _ => rest,
        }
    }
}

/// The text after the number, `true`, `false` or `null` that `text` begins with.
fn after_scalar(text: &[u8]) -> &[u8] {
    let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b':' | b' ' | b'\n' | b'\r' | b'\t');
    text.iter().position(ends).and_then(|end| text.get(end..)).unwrap_or_default()
}
