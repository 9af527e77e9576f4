use std::fmt;

use crate::chance;

/// The random identity of one write: 128 bits, drawn anew for every write.
///
/// Shown, stored and parsed as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
// Bytes, most significant first, and no number: what holds one would be aligned to 16 bytes, and so
// would the answer to every call of a breaker.
pub struct WriteId([u8; 16]);

impl WriteId {
    /// Draws an identity from the operating system's entropy.
    ///
    /// Straight from the system each time: a process image that is copied must not repeat ids.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        chance::fill(&mut bytes);
        Self(bytes)
    }

    /// The identity with these bits: for tests and simulations.
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits.to_be_bytes())
    }

    /// The identity as a number.
    #[must_use]
    pub const fn bits(self) -> u128 {
        u128::from_be_bytes(self.0)
    }

    /// Parses 32 lower-case hexadecimal digits; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits =
            text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if digits { u128::from_str_radix(text, 16).ok().map(Self::from_bits) } else { None }
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

/// Which write a record holds: never the same for different content.
///
/// The random write id makes it so; a counter alone would repeat itself after a failover or a
/// flush. The position is the store's own (the parameter version in SSM, 0 elsewhere).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    id: WriteId,
    pos: u64,
}

impl Version {
    /// The version made by the write `id`.
    #[must_use]
    pub const fn new(id: WriteId) -> Self {
        Self { id, pos: 0 }
    }

    /// The version made by the write `id` at position `pos` of the store's own log.
    #[must_use]
    pub const fn at(id: WriteId, pos: u64) -> Self {
        Self { id, pos }
    }

    /// The write that made it.
    #[must_use]
    pub const fn id(self) -> WriteId {
        self.id
    }

    /// The store's own position.
    #[must_use]
    pub const fn pos(self) -> u64 {
        self.pos
    }
}

/// What was read: a value, its version, and what was wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The value; vacant if `corruption` says so.
    pub value: T,
    /// What a swap must expect in order to replace it.
    pub version: Version,
    /// Why the value could not be read, if it could not.
    pub corruption: Option<super::Corruption>,
}

impl<T> Versioned<T> {
    /// A value that was read whole.
    pub const fn new(value: T, version: Version) -> Self {
        Self { value, version, corruption: None }
    }

    /// The same version with another value.
    pub fn map<U>(self, value: impl FnOnce(T) -> U) -> Versioned<U> {
        Versioned { value: value(self.value), version: self.version, corruption: self.corruption }
    }
}

/// The answer to a swap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swap<T> {
    /// The write took effect, exactly once, and made this version.
    Applied(Version),
    /// It did not and never will; this is what is there now, so that nobody needs to read again.
    Conflict(Option<Versioned<T>>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_id_is_read_back_as_it_was_shown() {
        let id = WriteId::random();
        assert_eq!(WriteId::parse(&id.to_string()), Some(id));
        assert_eq!(WriteId::from_bits(1).to_string(), format!("{}1", "0".repeat(31)));
    }

    #[test]
    fn nothing_else_is_a_write_id() {
        for text in ["", "1", &"A".repeat(32), &"0".repeat(33), &format!("+{}", "0".repeat(31))] {
            assert_eq!(WriteId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn two_write_ids_differ() {
        assert_ne!(WriteId::random(), WriteId::random());
    }
}
