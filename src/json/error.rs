use std::{borrow::Cow, error::Error, fmt};

use serde::Deserialize;

/// What is wrong with JSON: what was expected, what kind of value came, and where.
///
/// Parsers like to quote what they refuse. What stands in an event may be a password, and an error ends
/// in a log: of a value nothing is kept here, only words of ours and of the type that was asked for.
///
/// # Examples
///
/// ```
/// use funcify::pipeline::JsonError;
///
/// let error = serde_json::from_str::<u32>("\"hunter2\"").unwrap_err();
/// assert!(error.to_string().contains("hunter2"));
/// let error = JsonError::from(error);
/// assert_eq!(error.to_string(), "expected u32, got a string at line 1 column 9");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    path: Option<String>,
    what: Cow<'static, str>,
    line: usize,
    column: usize,
}

impl JsonError {
    /// Why `json` is no `T`, a type of ours, with the member that is wrong. Not for types of others:
    /// what they take for the name of a member may be anything.
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
        let (said, _) = split_place(&text);
        // What is wrong with the syntax is told in words that do not depend on the text.
        let what = if error.is_data() { told(said) } else { said.to_owned().into() };
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
        // A parser that was given a part only knows no place.
        if self.line > 0 {
            write!(f, " at line {} column {}", self.line, self.column)?;
        }
        Ok(())
    }
}

impl Error for JsonError {}

/// What a parser or an extractor of axum says, without the values that it quotes; anything else as it is.
pub(crate) fn without_values(text: &str) -> Cow<'_, str> {
    const QUOTING: [&str; 5] = [
        "Failed to deserialize the JSON body into the target type: ",
        "Failed to deserialize query string: ",
        "Failed to deserialize form body: ",
        "Failed to deserialize form: ",
        "Invalid URL: ",
    ];
    let quotes = |beginning: &&str| text.contains(*beginning);
    let prefix = match QUOTING.into_iter().find(|prefix| text.starts_with(prefix)) {
        Some(prefix) => prefix,
        None if BEGINNINGS.iter().take(5).any(quotes) => "",
        None => return Cow::Borrowed(text),
    };
    let rest = text.get(prefix.len()..).unwrap_or_default();
    let (rest, place) = split_place(rest);
    // Where in the value, if no more than names of members is said of it.
    let start = BEGINNINGS.into_iter().chain(PLAIN).filter_map(|start| rest.find(start)).min();
    let (path, said) = start.and_then(|start| rest.split_at_checked(start)).unwrap_or(("", rest));
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "._[]-".contains(letter);
    let path = match path.strip_suffix(": ") {
        Some(names) if names.len() <= 80 && names.chars().all(is_name) => path,
        _ => "",
    };
    Cow::Owned(format!("{prefix}{path}{}{place}", told(said)))
}

/// Splits off ` at line 1 column 2`.
fn split_place(text: &str) -> (&str, &str) {
    let found = text.rfind(" at line ").and_then(|start| text.split_at_checked(start));
    let is_place = |place: &str| {
        let numbers = place.trim_start_matches(" at line ").split_once(" column ");
        numbers.is_some_and(|(line, column)| {
            line.parse::<u64>().is_ok() && column.parse::<u64>().is_ok()
        })
    };
    found.filter(|(_, place)| is_place(place)).unwrap_or((text, ""))
}

/// How serde begins what it says of a value.
const BEGINNINGS: [&str; 8] = [
    "invalid type: ",
    "invalid value: ",
    "invalid length ",
    "unknown variant `",
    "unknown field `",
    "missing field `",
    "duplicate field `",
    "Cannot parse ",
];

/// What is said without a value.
const PLAIN: [&str; 11] = [
    "invalid digit found in string",
    "cannot parse integer from empty string",
    "number too large to fit in target type",
    "number too small to fit in target type",
    "provided string was not `true` or `false`",
    "expected the name of a header",
    "expected the value of a header",
    "expected a key of UTF-8",
    "expected base64",
    "too many headers",
    "a list of values within a list",
];

/// What serde's descriptions of a value begin with, and how we call it.
const KINDS: [(&str, &str); 12] = [
    ("boolean", "true or false"),
    ("integer", "a number"),
    ("floating point", "a number"),
    ("character", "a character"),
    ("string", "a string"),
    ("byte array", "bytes"),
    ("null", "null"),
    ("unit value", "null"),
    ("sequence", "a list"),
    ("map", "an object"),
    ("newtype", "another value"),
    ("enum", "another value"),
];

/// What serde says of data, without the value.
fn told(said: &str) -> Cow<'static, str> {
    // A value stands before what was expected, and so what was expected stands last.
    let expected = said.rsplit_once(", expected ").map(|(_, expected)| expected);
    let begins = |beginning: &str| said.strip_prefix(beginning);
    if let Some(plain) = PLAIN.into_iter().find(|plain| *plain == said) {
        return plain.into();
    }
    // The names of members are the type's own.
    if begins("missing field `")
        .or(begins("duplicate field `"))
        .or(begins("two members `"))
        .is_some()
    {
        return said.to_owned().into();
    }
    if let Some(came) = begins("invalid type: ").or(begins("invalid value: "))
        && let Some(expected) = expected
    {
        let kind = KINDS.into_iter().find(|(kind, _)| came.starts_with(kind));
        let came = kind.map_or("another value", |(_, ours)| ours);
        return format!("expected {expected}, got {came}").into();
    }
    let is_closed = ["unknown variant `", "unknown field `", "invalid length "]
        .into_iter()
        .any(|beginning| said.starts_with(beginning));
    if is_closed
        && !said.ends_with(", there are no variants")
        && !said.ends_with(", there are no fields")
        && let Some(expected) = expected
    {
        return format!("expected {expected}").into();
    }
    if said.starts_with("Cannot parse ")
        && let Some((_, kind)) = said.rsplit_once("` to a `")
    {
        return format!("expected `{kind}").into();
    }
    "expected other data".into()
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

    fn refused<T: DeserializeOwned + fmt::Debug>(json: &str) -> String {
        let error = serde_json::from_str::<T>(json).unwrap_err();
        let said = JsonError::from(error).to_string();
        assert!(!said.contains("canary"), "{said}");
        said
    }

    #[test]
    fn no_value_is_repeated_whatever_is_wrong_with_it() {
        let text = format!("\"{CANARY}\"");
        let order = |quantity: &str| format!("{{\"quantity\":{quantity}}}");
        assert_eq!(
            refused::<Order>(&text),
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
            let said = refused::<Order>(&order(quantity));
            assert!(said.starts_with(&format!("expected {kind} at line 1")), "{said}");
        }
        let said = refused::<Order>(&format!("{{\"{CANARY}\":1}}"));
        assert!(said.starts_with("expected `quantity` at line"), "{said}");
        let said = refused::<Colour>(&text);
        assert!(said.starts_with("expected `Red` or `Blue` at line"), "{said}");
        let both: [Colour; 2] = serde_json::from_str("[\"Red\",\"Blue\"]").unwrap();
        assert!(matches!(both, [Colour::Red, Colour::Blue]));
        assert!(refused::<Order>("{}").starts_with("missing field `quantity` at line"));
        assert!(refused::<std::net::IpAddr>(&text).starts_with("expected other data at line"));
        assert!(refused::<[u8; 2]>("[1]").starts_with("expected an array of length 2 at line"));
        assert_eq!(refused::<Order>("canary"), "expected value at line 1 column 1");
    }

    #[test]
    fn a_type_of_ours_says_where() {
        #[derive(Debug, Deserialize)]
        struct Batch {
            #[expect(dead_code, reason = "only parsed")]
            orders: Vec<Order>,
        }
        let json = r#"{"orders":[{"quantity":"canary"}]}"#;
        let error = JsonError::of::<Batch>(json, &serde_json::from_str::<Batch>(json).unwrap_err());
        let said = "orders[0].quantity: expected u32, got a string at line 1 column 31";
        assert_eq!(error.to_string(), said);
    }

    #[test]
    fn what_an_extractor_says_loses_its_values_and_nothing_else() {
        for (text, said) in [
            (
                "Failed to deserialize the JSON body into the target type: items[0].quantity: invalid type: string \"canary\", expected u32 at line 1 column 9",
                "Failed to deserialize the JSON body into the target type: items[0].quantity: expected u32, got a string at line 1 column 9",
            ),
            (
                "Failed to deserialize query string: page: invalid digit found in string",
                "Failed to deserialize query string: page: invalid digit found in string",
            ),
            (
                "Failed to deserialize query string: the canary sang",
                "Failed to deserialize query string: expected other data",
            ),
            ("Invalid URL: Cannot parse `canary` to a `u32`", "Invalid URL: expected `u32`"),
            (
                "Failed to deserialize the JSON body into the target type: a canary: invalid type: map, expected u32 at line 1 column 9",
                "Failed to deserialize the JSON body into the target type: expected u32, got an object at line 1 column 9",
            ),
            ("no such order", "no such order"),
        ] {
            assert_eq!(without_values(text), said);
        }
    }
}
