use std::{fmt, str::FromStr};

use super::Corruption;
use crate::chance;

/// The random id of one write: 128 bits, drawn anew for every write.
///
/// Displayed, stored and parsed as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
// Bytes instead of a `u128`: a number would align whatever holds it to 16 bytes, and with it the
// answer to every call of a breaker.
pub struct WriteId([u8; 16]);

impl WriteId {
    /// Draws an id from the operating system's entropy.
    ///
    /// Nothing is cached in between: copies of one process image must not draw the same ids.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        chance::fill(&mut bytes);
        Self(bytes)
    }

    /// The id with these bits.
    #[doc(hidden)]
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits.to_be_bytes())
    }

    /// The id as a number.
    #[doc(hidden)]
    #[must_use]
    pub const fn bits(self) -> u128 {
        u128::from_be_bytes(self.0)
    }
}

impl FromStr for WriteId {
    type Err = Corruption;

    /// Parses 32 lower-case hexadecimal digits. Anything else is [`Corruption::Unreadable`].
    fn from_str(text: &str) -> Result<Self, Corruption> {
        let is_id =
            text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let bits = if is_id { u128::from_str_radix(text, 16).ok() } else { None };
        bits.map(Self::from_bits).ok_or(Corruption::Unreadable)
    }
}

impl fmt::Display for WriteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.bits())
    }
}

impl fmt::Debug for WriteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which write a record holds. Different content never has the same version.
///
/// The random write id guarantees that. A counter alone would repeat itself after a failover or a
/// flush. The position belongs to the store: it is the parameter version in SSM, and 0 elsewhere.
///
/// A version is made of the [`WriteId`] of its write, and turns back into it, by `From`.
///
/// # Examples
///
/// ```
/// use funcify_core::register::{Version, WriteId};
///
/// let id = WriteId::random();
/// assert_eq!(WriteId::from(Version::from(id)), id);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    id: WriteId,
    pos: u64,
}

impl Version {
    /// The version that the write `id` made at position `pos` of the store's own log.
    #[doc(hidden)]
    #[must_use]
    pub const fn at(id: WriteId, pos: u64) -> Self {
        Self { id, pos }
    }

    /// The store's own position.
    #[doc(hidden)]
    #[must_use]
    pub const fn pos(self) -> u64 {
        self.pos
    }
}

impl From<WriteId> for Version {
    /// The version that the write made.
    fn from(id: WriteId) -> Self {
        Self { id, pos: 0 }
    }
}

impl From<Version> for WriteId {
    /// The write that made the version.
    fn from(version: Version) -> Self {
        version.id
    }
}

/// What was read: a value, its version, and why the value is empty if it was corrupt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The value. Empty if there is a `corruption`.
    pub value: T,
    /// The version that a swap must expect in order to replace the value.
    pub version: Version,
    /// Why the value could not be read.
    pub corruption: Option<Corruption>,
}

impl<T> Versioned<T> {
    /// A value that was read without loss.
    pub const fn new(value: T, version: Version) -> Self {
        Self { value, version, corruption: None }
    }
}

/// How a swap was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swap<T> {
    /// The write took effect exactly once, and made this version.
    Applied(Version),
    /// The write did not take effect and never will. Inside is what is stored now, so that the caller
    /// need not read again.
    Conflict(Option<Versioned<T>>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_displayed_write_id_parses_to_the_same_id() {
        let id = WriteId::random();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(WriteId::from_bits(1).to_string(), format!("{}1", "0".repeat(31)));
    }

    #[test]
    fn any_other_text_is_not_a_write_id() {
        for text in ["", "1", &"A".repeat(32), &"0".repeat(33), &format!("+{}", "0".repeat(31))] {
            assert_eq!(text.parse::<WriteId>(), Err(Corruption::Unreadable), "{text}");
        }
    }

    #[test]
    fn two_write_ids_differ() {
        assert_ne!(WriteId::random(), WriteId::random());
    }
}
