//! The header `Idempotency-Key`: a string as in RFC 9651 §3.3.3.

use http::HeaderMap;

use crate::idempotency::IDEMPOTENCY_KEY;

/// The longest key that is accepted, in characters. A UUID has 36.
const LONGEST: usize = 255;

/// The key of a request. Returns `None` if the request has no such header.
pub(super) fn key_of(headers: &HeaderMap) -> Result<Option<String>, &'static str> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err("expected one Idempotency-Key, got several");
    }
    let key = parsed(value.as_bytes()).ok_or(
        "expected a text in double quotes as the Idempotency-Key, such as \"8e03978e-40d5-43dd\"",
    )?;
    match key.len() {
        0 => Err("expected an Idempotency-Key, got an empty one"),
        length if length > LONGEST => Err("expected an Idempotency-Key of 255 characters at most"),
        _ => Ok(Some(key)),
    }
}

/// The text between the quotes. Parameters are not accepted: the draft defines none.
fn parsed(value: &[u8]) -> Option<String> {
    let mut inner = value.trim_ascii().strip_prefix(b"\"")?.strip_suffix(b"\"")?.iter();
    let mut key = String::new();
    while let Some(byte) = inner.next() {
        match byte {
            b'\\' => match inner.next()? {
                escaped @ (b'\\' | b'"') => key.push(char::from(*escaped)),
                _ => return None,
            },
            b'"' => return None,
            0x20..=0x7e => key.push(char::from(*byte)),
            _ => return None,
        }
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn key(values: &[&[u8]]) -> Result<Option<String>, &'static str> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap());
        }
        key_of(&headers)
    }

    #[test]
    fn a_key_is_one_string_of_rfc_9651() {
        for (value, expected) in [
            (r#""8e03978e-40d5-43dd-bc93-6894a57f9324""#, "8e03978e-40d5-43dd-bc93-6894a57f9324"),
            (r#""a b""#, "a b"),
            (r#"  "a"  "#, "a"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            (r#""a,b;c=1""#, "a,b;c=1"),
        ] {
            assert_eq!(key(&[value.as_bytes()]), Ok(Some(expected.to_owned())), "{value}");
        }
        assert_eq!(key(&[]), Ok(None));
    }

    #[test]
    fn anything_else_is_malformed() {
        let long = format!("\"{}\"", "x".repeat(256));
        for value in [
            "",
            "a",
            "8e03978e-40d5",
            "\"",
            "\"\"",
            "\"a",
            "a\"",
            "\"a\"b\"",
            r#""a\b""#,
            r#""a\""#,
            "'a'",
            "\"a\", \"b\"",
            "\"a\";p=1",
            "\"a\tb\"",
            ":YQ==:",
            "?1",
            "42",
            &long,
        ] {
            assert!(key(&[value.as_bytes()]).is_err(), "{value}");
        }
        assert!(key(&["\"ż\"".as_bytes()]).is_err());
        assert!(key(&[b"\"a\"", b"\"a\""]).is_err(), "twice");
    }
}
