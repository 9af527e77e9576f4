//! Names of records. A name that passes this check is legal in every store.

use std::{fmt, str::FromStr, sync::Arc};

use sha2::{Digest, Sha256};

use crate::hex::hex;

/// The name of a record within its kind: 1 to 64 of the characters `A-Z a-z 0-9 _ . -`.
///
/// The names of circuits and the keys of tokens have this type. A name is cheap to clone.
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

/// The name of a record was refused, because it is empty, too long, or has an illegal character.
///
/// The message says what was expected, and shows the first 80 characters of the name.
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
    // Without an early end, the compiler checks many bytes at once.
    let mut is_legal = true;
    while let [byte, others @ ..] = rest {
        is_legal &= byte.is_ascii_alphanumeric() | matches!(byte, b'_' | b'.' | b'-');
        rest = others;
    }
    is_legal
}

/// How many hexadecimal digits of the hash a name contains: 128 bits, so that nobody can find two texts
/// with the same name.
const HASH_DIGITS: usize = 32;

impl RecordName {
    /// Makes a name of any text, such as the name of a tenant.
    ///
    /// A legal text is its own name. Otherwise the name is the first 31 characters of the text at most, with
    /// `-` in place of each illegal character, then `-`, and then a hash of the whole text: the first 128
    /// bits of its SHA-256 in hexadecimal. A legal text that ends like such a name is hashed too.
    ///
    /// Different texts have different names, and a text has the same name in every process.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify_core::register::RecordName;
    ///
    /// assert_eq!(RecordName::from_text("orders-acme").as_ref(), "orders-acme");
    /// let name = RecordName::from_text("orders/Müller & Söhne");
    /// assert_eq!(name.as_ref(), "orders-M-ller---S-hne-c3b0415b0383781508bb8f6829c292a6");
    /// ```
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        // A legal text that looks like a hashed name could otherwise be the name of another text.
        if is_legal(text) && !ends_as_hashed(text) {
            return Self(text.into());
        }
        let legal = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '-' };
        let mut name: String = text.chars().take(64 - HASH_DIGITS - 1).map(legal).collect();
        name.push('-');
        name.push_str(&hex(&Sha256::digest(text), HASH_DIGITS / 2));
        Self(name.into())
    }
}

fn ends_as_hashed(text: &str) -> bool {
    text.rsplit_once('-').is_some_and(|(_, end)| {
        end.len() == HASH_DIGITS
            && end.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

impl FromStr for RecordName {
    type Err = NameError;

    /// Checks a name.
    ///
    /// # Errors
    ///
    /// [`NameError`] if the name is not 1 to 64 of the characters `A-Z a-z 0-9 _ . -`.
    fn from_str(name: &str) -> Result<Self, NameError> {
        if is_legal(name) {
            Ok(Self(name.into()))
        } else {
            // 80 characters are enough to recognise the text. It may be a megabyte long.
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
    fn every_text_has_a_legal_name_and_different_texts_have_different_names() {
        let long = "x".repeat(64);
        let texts = [
            "",
            "-",
            "a",
            "A",
            "a b",
            "a/b",
            "a:b",
            "a-b",
            "ä",
            "a\0",
            "{a}",
            " ",
            "  ",
            "tenant ",
            "tenant",
            &long,
            &format!("{long}x"),
            &format!("{long}y"),
            &"ü".repeat(1_000),
        ];
        let mut names: Vec<RecordName> =
            texts.iter().map(|text| RecordName::from_text(text)).collect();
        // A text that equals the name of another text gets another name, and so does that name in turn.
        for _ in 0..3 {
            names.extend(names.clone().iter().map(|name| RecordName::from_text(name.as_ref())));
            names.sort();
            names.dedup();
        }
        let hashed = texts.iter().filter(|text| !is_legal(text)).count();
        assert_eq!(names.len(), texts.len() + 3 * hashed);
        for name in &names {
            assert!(is_legal(name.as_ref()), "{name}");
        }
        for legal in ["orders-7", "7d4dbd0dffa2b8e8d4cd0ba5e1d4b3b6", &long] {
            assert_eq!(RecordName::from_text(legal).as_ref(), legal);
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
