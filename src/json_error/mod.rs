//! Errors about JSON without the values that parsers quote.

pub(crate) mod redact;

use std::{borrow::Cow, error::Error, fmt};

use crate::json_error::redact::{described, split_place};

/// Why JSON was refused: what was expected, what kind of value came, and where.
///
/// Parsers quote the value that they refuse. A value in an event or in the answer of a service may be a
/// password, and errors end up in logs. So this error quotes no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonError {
    pub(crate) path: Option<String>,
    pub(crate) what: Cow<'static, str>,
    pub(crate) line: usize,
    pub(crate) column: usize,
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
        // The error has no position if the parser got only a part of the text.
        if self.line > 0 {
            write!(f, " at line {} column {}", self.line, self.column)?;
        }
        Ok(())
    }
}

impl Error for JsonError {}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, de::DeserializeOwned};

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
}
