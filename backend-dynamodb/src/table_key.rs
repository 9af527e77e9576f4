//! The attributes of an item that are not members of the record: the key of the table, the write id and
//! the expiry.

use std::fmt;

/// The attribute with the id of the write that made the item.
pub(crate) const WRITE_ID: &str = "write_id";
/// The attribute by which DynamoDB expires items.
pub(crate) const TTL: &str = "ttl";

/// The names of the key attributes of the table. Both are strings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableKey {
    pub(crate) partition: String,
    pub(crate) sort: Option<SortKey>,
}

/// The name of the sort key, and its value in every record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SortKey {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl TableKey {
    /// Whether the attribute `name` is not a member of the record.
    pub(crate) fn reserves(&self, name: &str) -> bool {
        name == WRITE_ID
            || name == TTL
            || name == self.partition
            || self.sort.as_ref().is_some_and(|sort| name == sort.name)
    }
}

impl fmt::Display for TableKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the string partition key `{}` ", self.partition)?;
        match &self.sort {
            Some(sort) => write!(f, "and the string sort key `{}`", sort.name),
            None => f.write_str("and no sort key"),
        }
    }
}
