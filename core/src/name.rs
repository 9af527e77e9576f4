//! Names of records. A name that passes the check here is legal in every store.

use std::{fmt, str::FromStr, sync::Arc};

/// The name of a record within its kind: 1 to 64 of the characters `A-Z a-z 0-9 _ . -`.
///
/// A circuit has such a name, and so has the key of a token. Cheap to clone.
///
/// # Examples
///
/// ```
/// use funcify_core::register::RecordName;
///
/// let name: RecordName = "orders-7".parse()?;
/// assert_eq!(name.as_ref(), "orders-7");
/// assert!(RecordName::try_from("orders/7").is_err());
/// # Ok::<(), funcify_core::register::NameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordName(Arc<str>);

/// The name of a record was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected 1 to 64 of the characters A-Z a-z 0-9 _ . - as the name of a record, got {got:?}"
)]
pub struct NameError {
    got: String,
}

/// Whether `name` is 1 to 64 of the characters that every store accepts in a key.
pub(crate) const fn is_legal(name: &str) -> bool {
    let mut rest = name.as_bytes();
    if rest.is_empty() || rest.len() > 64 {
        return false;
    }
    while let [byte, others @ ..] = rest {
        if !byte.is_ascii_alphanumeric() && !matches!(byte, b'_' | b'.' | b'-') {
            return false;
        }
        rest = others;
    }
    true
}

impl FromStr for RecordName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        if is_legal(name) {
            Ok(Self(name.into()))
        } else {
            // Enough of the text to recognise it, and not a megabyte of it.
            Err(NameError { got: name.chars().take(80).collect() })
        }
    }
}

impl TryFrom<&str> for RecordName {
    type Error = NameError;

    fn try_from(name: &str) -> Result<Self, NameError> {
        name.parse()
    }
}

impl TryFrom<String> for RecordName {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        name.parse()
    }
}

impl AsRef<str> for RecordName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_legal_in_every_store_or_refused() {
        for legal in ["a", "auth0", "A-Z_a.z-0", &"x".repeat(64)] {
            assert!(RecordName::try_from(legal).is_ok(), "{legal}");
        }
        for illegal in ["", " ", "a b", "a/b", "a:b", "ä", "a\0", "{a}", &"x".repeat(65)] {
            assert!(illegal.parse::<RecordName>().is_err(), "{illegal}");
            assert!(RecordName::try_from(illegal).is_err(), "{illegal}");
            assert!(RecordName::try_from(illegal.to_owned()).is_err(), "{illegal}");
        }
    }

    #[test]
    fn the_refusal_names_what_was_expected_and_what_came() {
        let refusal = RecordName::try_from("a b").unwrap_err().to_string();
        assert_eq!(
            refusal,
            "expected 1 to 64 of the characters A-Z a-z 0-9 _ . - as the name of a record, got \"a b\""
        );
    }

    #[test]
    fn a_name_shows_its_text() {
        let name: RecordName = "auth0".parse().unwrap();
        assert_eq!(format!("{name} {name:?} {name:x<8}"), "auth0 \"auth0\" auth0xxx");
    }
}
