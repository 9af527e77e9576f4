//! The name of a table: one in this account and region, or an ARN.

use std::{borrow::Cow, ops::RangeInclusive};

/// The parts of a table's name or ARN.
pub(crate) struct TableName<'a> {
    name: &'a str,
    /// The region in an ARN.
    pub(crate) region: Option<&'a str>,
    is_well_formed: bool,
}

impl<'a> TableName<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        if !text.starts_with("arn:") {
            return Self { name: text, region: None, is_well_formed: true };
        }
        // arn:aws:dynamodb:eu-central-1:111122223333:table/fleet
        let parts: Vec<_> = text.splitn(6, ':').collect();
        match parts.as_slice() {
            [_, partition, "dynamodb", region, account, resource] => {
                let is_account =
                    account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
                let is_well_formed = partition.starts_with("aws")
                    && has_only(partition, 3..=32)
                    && is_account
                    && resource.starts_with("table/");
                let name = resource.strip_prefix("table/").unwrap_or_default();
                Self { name, region: Some(region), is_well_formed }
            }
            _ => Self { name: "", region: None, is_well_formed: false },
        }
    }

    pub(crate) fn is_valid(&self) -> bool {
        self.is_well_formed && has_only(self.name, 3..=255)
    }

    /// Replaces an ARN in a URL by the host `arn`, and returns the ARN. The parser of URLs would read the
    /// colons of the ARN as the beginning of a port.
    pub(crate) fn split_arn(url: &str) -> (Cow<'_, str>, Option<String>) {
        let Some((scheme, rest)) = url.split_once("://") else { return (url.into(), None) };
        let end = rest.find(['?', '#']).unwrap_or(rest.len());
        let (table, options) = rest.split_at(end);
        if !table.starts_with("arn:") || table.contains('@') {
            return (url.into(), None);
        }
        (format!("{scheme}://arn{options}").into(), Some(table.to_owned()))
    }
}

/// Whether the text has a length in the range `length`, and only characters that a table name may have.
pub(crate) fn has_only(text: &str, length: RangeInclusive<usize>) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    length.contains(&text.len()) && text.bytes().all(legal)
}
