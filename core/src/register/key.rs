use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
};

use super::RecordName;
use crate::name;

/// The kind of a record, such as `circuit` or `token`. Every store uses it as a part of the record's key.
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
    /// Whether a read may return an older version of the record. The default is `false`.
    ///
    /// With `true`, a store may use a cheaper read: an eventually consistent read of DynamoDB costs half.
    /// A swap always compares with the current version.
    pub stale_reads: bool,
}

impl RecordKind {
    /// Creates the kind with this name. In a constant, the compiler checks the name.
    ///
    /// # Panics
    ///
    /// If the name is not 1 to 64 of the characters `A-Z a-z 0-9 _ . -`.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        assert!(name::is_legal(name), "expected 1 to 64 of the characters A-Z a-z 0-9 _ . -");
        Self { name, stale_reads: false }
    }
}

impl AsRef<str> for RecordKind {
    fn as_ref(&self) -> &str {
        self.name
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
/// A store puts its own prefix in front: `funcify:circuit:auth0`, or `/prefix/circuit/auth0` in SSM
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
    /// The name of the record within its kind.
    pub name: RecordName,
}

impl fmt::Display for RecordKey {
    /// Formats the key as kind and name: `circuit:auth0`.
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
