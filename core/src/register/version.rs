use std::{
    fmt::{self, Write as _},
    str::FromStr,
};

use super::Corruption;
use crate::{chance, hex::digits};

/// The random id of one write: 128 bits, drawn anew for every write.
///
/// It is displayed, stored and parsed as 32 lower-case hexadecimal digits.
///
/// # Examples
///
/// ```
/// use funcify_core::register::WriteId;
///
/// let id = WriteId::random();
/// assert_eq!(id.to_string().len(), 32);
/// assert_eq!(id.to_string().parse(), Ok(id));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
// This is not a `u128`, because that would align every type that contains it to 16 bytes. One of them is
// the result of every call through a breaker, which would grow.
pub struct WriteId([u8; 16]);

impl WriteId {
    /// Draws an id from the operating system's entropy.
    ///
    /// Each call asks the operating system anew. Lambda may start several copies of one process image
    /// (SnapStart), and they must not draw the same ids.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        chance::fill(&mut bytes);
        Self(bytes)
    }

    /// Creates the id with these bits.
    #[doc(hidden)]
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits.to_be_bytes())
    }

    /// Returns the id as a number.
    #[doc(hidden)]
    #[must_use]
    pub const fn bits(self) -> u128 {
        u128::from_be_bytes(self.0)
    }
}

impl FromStr for WriteId {
    type Err = Corruption;

    /// Parses 32 lower-case hexadecimal digits.
    ///
    /// # Errors
    ///
    /// [`Corruption::Unreadable`] for any other text.
    fn from_str(text: &str) -> Result<Self, Corruption> {
        let is_id =
            text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let bits = if is_id { u128::from_str_radix(text, 16).ok() } else { None };
        bits.map(Self::from_bits).ok_or(Corruption::Unreadable)
    }
}

impl fmt::Display for WriteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().flat_map(digits).try_for_each(|digit| f.write_char(digit))
    }
}

impl fmt::Debug for WriteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The version of a record: which write made it. Different content never has the same version.
///
/// A version contains the random [`WriteId`] of its write, because a counter alone could repeat itself
/// after a failover or a flush. It also contains a position that only the store uses: the version of the
/// parameter in SSM, and 0 in every other store.
///
/// `From` converts a write id to the version that it makes, at position 0, and a version to the id of
/// its write.
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
    /// Creates the version that the write `id` made at position `pos` of the store's own log.
    #[doc(hidden)]
    #[must_use]
    pub const fn at(id: WriteId, pos: u64) -> Self {
        Self { id, pos }
    }

    /// Returns the position in the store's own log.
    #[doc(hidden)]
    #[must_use]
    pub const fn pos(self) -> u64 {
        self.pos
    }
}

impl From<WriteId> for Version {
    /// Returns the version that the write makes, at position 0.
    fn from(id: WriteId) -> Self {
        Self { id, pos: 0 }
    }
}

impl From<Version> for WriteId {
    /// Returns the id of the write that made the version.
    fn from(version: Version) -> Self {
        version.id
    }
}

/// What a read found: a value, its version, and why the value is empty if the record was corrupt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The value. It is the empty one if there is a `corruption`.
    pub value: T,
    /// The version that a swap must expect if it is to replace this value.
    pub version: Version,
    /// Why the record could not be read. `None` if it was read completely.
    pub corruption: Option<Corruption>,
}

impl<T> Versioned<T> {
    /// Creates a value that was read completely.
    pub const fn new(value: T, version: Version) -> Self {
        Self { value, version, corruption: None }
    }
}

/// The answer of a store to a swap.
///
/// # Examples
///
/// ```
/// use funcify_core::{circuit::CircuitRecord, register::Swap};
///
/// fn describe(swap: &Swap<CircuitRecord>) -> &'static str {
///     match swap {
///         Swap::Applied(_) => "written",
///         Swap::Conflict(Some(_)) => "another process has replaced the record",
///         Swap::Conflict(None) => "the record is gone",
///     }
/// }
/// # let _ = describe;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swap<T> {
    /// The write took effect exactly once, and made this version.
    Applied(Version),
    /// The write did not take effect and never will. It contains the record that is stored now, so that the
    /// caller need not read it. `None` if there is no record.
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
