use std::{borrow::Cow, error::Error, fmt};

use funcify_core::engine::causes;
use serde::Deserialize;

use crate::json::redact::{described, split_place, without_values};

/// Why JSON was refused: what was expected, what kind of value came, and where.
///
/// Parsers quote the value that they refuse. A value of an event may be a password, and errors end up
/// in logs. So this error quotes no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    path: Option<String>,
    what: Cow<'static, str>,
    line: usize,
    column: usize,
}

impl JsonError {
    /// Why `json` could not be decoded as `T`, with the path to the member that is wrong. `T` must be a
    /// type of this crate: in a map of a user's type the name of a member can be any text.
    pub(crate) fn of<'a, T: Deserialize<'a>>(json: &'a str, error: &serde_json::Error) -> Self {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let path = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
            Ok(_) => None,
            Err(error) => Some(error.path().to_string()).filter(|path| path != "."),
        };
        Self { path, ..error.into() }
    }
}

impl From<&serde_json::Error> for JsonError {
    fn from(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let (message, _) = split_place(&text);
        // Messages about the syntax quote nothing.
        let what = if error.is_data() { described(message) } else { message.to_owned().into() };
        Self { path: None, what, line: error.line(), column: error.column() }
    }
}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        Self::from(&error)
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{path}: ")?;
        }
        f.write_str(&self.what)?;
        // A parser that was given only a part of the text knows no position.
        if self.line > 0 {
            write!(f, " at line {} column {}", self.line, self.column)?;
        }
        Ok(())
    }
}

impl Error for JsonError {}

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
    use serde::de::DeserializeOwned;

    use super::*;

    const CANARY: &str = "canary, expected canary";

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[expect(dead_code, reason = "only parsed")]
        quantity: u32,
    }

    #[derive(Debug, Deserialize)]
    enum Colour {
        Red,
        Blue,
    }

    fn message_of<T: DeserializeOwned + fmt::Debug>(json: &str) -> String {
        let error = serde_json::from_str::<T>(json).unwrap_err();
        let message = JsonError::from(error).to_string();
        assert!(!message.contains("canary"), "{message}");
        message
    }

    #[test]
    fn no_error_quotes_a_value() {
        let text = format!("\"{CANARY}\"");
        let order = |quantity: &str| format!("{{\"quantity\":{quantity}}}");
        assert_eq!(
            message_of::<Order>(&text),
            "expected struct Order, got a string at line 1 column 25"
        );
        for (quantity, kind) in [
            (text.as_str(), "u32, got a string"),
            ("-7", "u32, got a number"),
            ("7.5", "u32, got a number"),
            ("true", "u32, got true or false"),
            ("null", "u32, got null"),
            ("[\"canary\"]", "u32, got a list"),
            ("{\"canary\":1}", "u32, got an object"),
        ] {
            let message = message_of::<Order>(&order(quantity));
            assert!(message.starts_with(&format!("expected {kind} at line 1")), "{message}");
        }
        let message = message_of::<Order>(&format!("{{\"{CANARY}\":1}}"));
        assert!(message.starts_with("expected `quantity` at line"), "{message}");
        let message = message_of::<Colour>(&text);
        assert!(message.starts_with("expected `Red` or `Blue` at line"), "{message}");
        let both: [Colour; 2] = serde_json::from_str("[\"Red\",\"Blue\"]").unwrap();
        assert!(matches!(both, [Colour::Red, Colour::Blue]));
        assert!(message_of::<Order>("{}").starts_with("missing field `quantity` at line"));
        assert!(message_of::<std::net::IpAddr>(&text).starts_with("expected other data at line"));
        assert!(message_of::<[u8; 2]>("[1]").starts_with("expected an array of length 2 at line"));
        assert_eq!(message_of::<Order>("canary"), "expected value at line 1 column 1");
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
