use std::borrow::Cow;

use crate::json::string::after_string;
use crate::json::unescape::unescape;

/// Why a scan ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ScanError {
    /// The text is not an object.
    NotAnObject,
    /// The member of this name occurs twice. Two parsers could each take another one.
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
    pub(crate) fn each(
        &mut self,
        mut each: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), ScanError>,
    ) -> Result<(), ScanError> {
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
                return Err(ScanError::NotAnObject);
            }
        }
        Ok(())
    }

    /// Scans the name of a member and the colon after it.
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

    /// Scans the string that comes next, if it has no escape sequence, and returns its content.
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

    /// The text that was not scanned yet.
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
        self.skip_space();
        let start = self.at;
        scan(self)?;
        self.since(start).ok_or(ScanError::NotAnObject)
    }

    /// Scans the next value and returns its text.
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

    /// Where the next value starts.
    pub(crate) fn start(&mut self) -> usize {
        self.skip_space();
        self.at
    }

    /// The text that was scanned since `start`.
    pub(crate) fn since(&self, start: usize) -> Option<&'a str> {
        self.json.get(start..self.at).filter(|value| !value.is_empty())
    }

    /// Scans to the end of the object or array that begins here.
    fn container(&mut self) -> Option<()> {
        let text = self.json.as_bytes();
        let (mut depth, mut at) = (0_usize, self.at);
        loop {
            let byte = *text.get(at)?;
            at += 1;
            match byte {
                b'"' => (at, _) = after_string(text, at)?,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        self.at = at;
                        return Some(());
                    }
                }
                _ => {}
            }
        }
    }

    /// Scans to the end of a number, `true`, `false` or `null`.
    fn scalar(&mut self) {
        let rest = self.json.as_bytes().get(self.at..).unwrap_or_default();
        let ends =
            |byte: &u8| matches!(byte, b',' | b'}' | b']' | b':' | b' ' | b'\n' | b'\r' | b'\t');
        self.at += rest.iter().position(ends).unwrap_or(rest.len());
    }

    pub(super) fn opening(&mut self) -> Option<()> {
        self.take(b'{').then_some(())
    }

    /// Scans `byte`, if it comes next.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.is_at(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Whether `byte` comes next, after any white space.
    pub(crate) fn is_at(&mut self, byte: u8) -> bool {
        // Most JSON is written without spaces, so look before skipping them.
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
