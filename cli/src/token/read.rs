//! Reads the records of tokens.

use funcify::Operated;
use funcify_core::{
    register::{RecordName, Versioned},
    token::TokenRecord,
};

use crate::error::Failed;

/// The record as it is stored. Its token may be sealed.
pub(super) async fn stored(
    opened: &Operated,
    key: &RecordName,
) -> Result<Option<Versioned<TokenRecord>>, Failed> {
    Ok(opened.tokens.register.read_record::<TokenRecord>(key).await?)
}

pub(super) fn missing(key: &RecordName) -> Failed {
    Failed::usage(format!(
        "there is no token `{key}`: see the keys with `funcify token list`, or no instance has asked for it yet"
    ))
}
