use std::error::Error;

use funcify_core::engine::causes;
use serde::Deserialize;

use crate::json::redact::without_values;
use crate::json_error::JsonError;

impl JsonError {
    /// Why `json` could not be decoded as `T`, with the path to the member that is wrong. `T` must be a type
    /// of this crate. In a map of a user's type, the name of a member can be any text, also a secret.
    pub(crate) fn of<'a, T: Deserialize<'a>>(json: &'a str, error: &serde_json::Error) -> Self {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let path = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
            Ok(_) => None,
            Err(error) => Some(error.path().to_string()).filter(|path| path != "."),
        };
        Self { path, ..error.into() }
    }
}

/// The error and all its causes in one line, without the values of an event that a parser quotes.
pub(crate) fn redacted_chain(error: &(dyn Error + 'static)) -> String {
    let redacted = |cause: &(dyn Error + 'static)| match cause.downcast_ref::<serde_json::Error>() {
        Some(error) => JsonError::from(error).to_string(),
        None => without_values(&cause.to_string()).into_owned(),
    };
    causes(error).map(redacted).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Order {
        #[expect(dead_code, reason = "only parsed")]
        quantity: u32,
    }

    #[test]
    fn an_error_about_a_type_of_ours_has_the_path() {
        #[derive(Debug, Deserialize)]
        struct Batch {
            #[expect(dead_code, reason = "only parsed")]
            orders: Vec<Order>,
        }
        let json = r#"{"orders":[{"quantity":"canary"}]}"#;
        let error = JsonError::of::<Batch>(json, &serde_json::from_str::<Batch>(json).unwrap_err());
        let message = "orders[0].quantity: expected u32, got a string at line 1 column 31";
        assert_eq!(error.to_string(), message);
    }
}
