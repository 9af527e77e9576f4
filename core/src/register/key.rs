use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
};

use super::RecordName;
use crate::name;

/// The kind of a record. It is part of the key under which every store keeps the record.
///
/// Two kinds with the same name are the same kind.
///
/// # Examples
///
/// ```
/// use funcify_core::register::RecordKind;
///
/// const QUOTA: RecordKind = RecordKind::new("quota");
/// assert_eq!(QUOTA.to_string(), "quota");
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RecordKind {
    name: &'static str,
    /// Whether a read may return an older version of the record. A store may then use a cheaper
    /// read: DynamoDB reads at half the price. A swap is always judged on the current version.
    ///
    /// `false` unless it is set.
    pub stale_reads: bool,
}

impl RecordKind {
    /// The kind with this name: `circuit`, `token`. Call it in a constant, and the compiler checks
    /// the name.
    ///
    /// # Panics
    ///
    /// Unless the name is 1 to 64 of `A-Z a-z 0-9 _ . -`.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        assert!(name::is_legal(name), "expected 1 to 64 of the characters A-Z a-z 0-9 _ . -");
        Self { name, stale_reads: false }
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for RecordKind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for RecordKind {}

impl PartialOrd for RecordKind {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RecordKind {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name.cmp(other.name)
    }
}

impl Hash for RecordKind {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// The key of one record: its kind and its name.
///
/// A store prepends its own prefix: `funcify:circuit:auth0`, or `/prefix/circuit/auth0` in SSM
/// Parameter Store.
///
/// # Examples
///
/// ```
/// use funcify_core::{circuit::CircuitRecord, register::RecordKey};
///
/// let key = RecordKey::of::<CircuitRecord>("auth0".parse()?);
/// assert_eq!(key.to_string(), "circuit:auth0");
/// # Ok::<(), funcify_core::register::NameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct RecordKey {
    /// The kind of the record.
    pub kind: RecordKind,
    /// Its name within the kind.
    pub name: RecordName,
}

impl fmt::Display for RecordKey {
    /// `circuit:auth0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_its_name() {
        let kind = RecordKind::new("quota");
        assert_eq!(kind, RecordKind { stale_reads: true, ..kind });
        assert_ne!(kind, RecordKind::new("Quota"));
    }

    #[test]
    #[should_panic(expected = "expected 1 to 64 of the characters")]
    fn a_kind_that_is_illegal_in_a_store_is_refused() {
        let _ = RecordKind::new("a/b");
    }
}
