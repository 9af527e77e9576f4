//! Reads the headers of an event into a [`HeaderMap`] whose values are slices of the event's text.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::json::scan::{Scan, ScanError};
use crate::json::text::{described, string};

/// Which headers of a member are read.
#[derive(Clone, Copy)]
pub(crate) enum Take<'n> {
    All,
    /// Headers whose name the map does not have yet. The list has the names in the map. Both members of an
    /// event usually have the same names in the same order, and then no name is looked up.
    Missing(&'n [Cow<'n, str>]),
    /// All except the cookies, which the source also delivers in a list.
    AllButCookies,
}

/// Why the headers of an event are not valid.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeaderError {
    #[error("expected an object of headers, got {0}")]
    NotAnObject(&'static str),
    #[error("expected the name of a header")]
    Name,
    #[error("expected the value of a header")]
    Value,
    #[error("expected the value of a header, or a list of values, got {0}")]
    NotAValue(&'static str),
    #[error("a list of values within a list")]
    Nested,
    #[error("too many headers")]
    TooMany,
}

impl From<ScanError> for HeaderError {
    fn from(_: ScanError) -> Self {
        Self::NotAnObject("another value")
    }
}

/// Adds the headers in the object `json` to `headers`. A value is a string or a list of strings. `json` must be valid
/// JSON, and a slice of `shared`.
///
/// Returns the names whose values are in lists. Names with empty lists are left out.
///
/// # Errors
///
/// If a name or value is not valid in HTTP (it has a line break or a control character), or has another type.
pub(crate) fn fill<'a>(
    headers: &mut HeaderMap,
    json: &'a str,
    shared: &Bytes,
    take: Take<'_>,
) -> Result<Vec<Cow<'a, str>>, HeaderError> {
    if !json.starts_with('{') {
        return Err(HeaderError::NotAnObject(described(json)));
    }
    let (mut names, mut position) = (Vec::new(), 0_usize);
    Scan::new(json).each(|scan, name| {
        let is_known = match take {
            Take::All => false,
            Take::Missing(known) => {
                let is_next = known.get(position) == Some(&name);
                position += usize::from(is_next);
                is_next || headers.contains_key(&*name)
            }
            Take::AllButCookies => name.eq_ignore_ascii_case("cookie"),
        };
        if is_known {
            return scan.value().map(|_| ()).ok_or(HeaderError::Value);
        }
        let is_list = scan.is_at(b'[');
        if add(headers, &name, scan, shared)? && is_list {
            names.push(name);
        }
        Ok(())
    })?;
    Ok(names)
}

/// Adds the value that comes next, or each of the values in a list. Returns whether there are any.
fn add(
    headers: &mut HeaderMap,
    name: &str,
    scan: &mut Scan<'_>,
    shared: &Bytes,
) -> Result<bool, HeaderError> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| HeaderError::Name)?;
    // The last value takes the name itself. Most headers have one value, so their name is not cloned.
    let mut last = None;
    if scan.is_at(b'[') {
        scan.each_of_list(|scan| {
            if scan.is_at(b'[') {
                return Err(HeaderError::Nested);
            }
            if let Some(next) = value(scan, shared)?
                && let Some(before) = last.replace(next)
            {
                append(headers, name.clone(), before)?;
            }
            Ok::<(), HeaderError>(())
        })?;
    } else {
        last = value(scan, shared)?;
    }
    let Some(last) = last else { return Ok(false) };
    append(headers, name, last)?;
    Ok(true)
}

fn append(
    headers: &mut HeaderMap,
    name: HeaderName,
    value: HeaderValue,
) -> Result<(), HeaderError> {
    // `append` would panic if there are too many headers.
    headers.try_append(name, value).map(|_| ()).map_err(|_| HeaderError::TooMany)
}

/// The value that comes next. `None` if it is `null`.
fn value(scan: &mut Scan<'_>, shared: &Bytes) -> Result<Option<HeaderValue>, HeaderError> {
    let value = match scan.plain_string() {
        Some(text) => HeaderValue::from_maybe_shared(shared.slice_ref(text.as_bytes())),
        None => match scan.value() {
            Some("null") => return Ok(None),
            Some(escaped) => {
                let text = string(escaped).ok_or(HeaderError::NotAValue(described(escaped)))?;
                HeaderValue::from_maybe_shared(Bytes::from(text.into_owned()))
            }
            None => return Err(HeaderError::Value),
        },
    };
    value.map(Some).map_err(|_| HeaderError::Value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(json: &Bytes) -> &str {
        std::str::from_utf8(json).unwrap()
    }

    /// The headers of both objects. Of the second object, only those that the first does not have.
    fn filled(all: &str, missing: &str) -> Result<Vec<(String, String)>, HeaderError> {
        let mut headers = HeaderMap::new();
        let [all, missing] = [all, missing].map(|json| Bytes::copy_from_slice(json.as_bytes()));
        let names = fill(&mut headers, text_of(&all), &all, Take::All)?;
        fill(&mut headers, text_of(&missing), &missing, Take::Missing(&names))?;
        let text = |value: &HeaderValue| String::from_utf8(value.as_bytes().to_vec()).unwrap();
        Ok(headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect())
    }

    #[test]
    fn repeated_headers_keep_every_value_and_missing_names_are_added() {
        let all = r#"{"X-A":["1",null,"2"],"x-n":null,"x-l":[],"X-E":"a\"b"}"#;
        for missing in [
            r#"{"x-a":"2","x-b":"ü"}"#,
            r#"{"X-A":"2","x-n":null,"x-l":null,"X-E":"c","x-b":"ü"}"#,
            r#"{"x-b":"ü","x\u002da":"2","X-E":"c"}"#,
        ] {
            let headers = filled(all, missing);
            let expected = [("x-a", "1"), ("x-a", "2"), ("x-e", "a\"b"), ("x-b", "ü")];
            assert_eq!(headers.unwrap(), expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
        }
        let headers = filled(r#"{"x-n":null,"x-l":[]}"#, r#"{"x-n":"1","x-l":"2"}"#);
        let expected = [("x-n", "1"), ("x-l", "2")];
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
            assert!(filled(json, "{}").is_err(), "{json}");
        }
    }
}
