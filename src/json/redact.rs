//! Error messages of parsers without the values that they quote.

use std::borrow::Cow;

/// The message of a parser or of an axum extractor without the values that it quotes. Other messages
/// stay as they are.
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
    // The path in the value, if it consists of names only.
    let start = BEGINNINGS.into_iter().chain(PLAIN).filter_map(|start| rest.find(start)).min();
    let (path, message) =
        start.and_then(|start| rest.split_at_checked(start)).unwrap_or(("", rest));
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "._[]-".contains(letter);
    let path = match path.strip_suffix(": ") {
        Some(names) if names.len() <= 80 && names.chars().all(is_name) => path,
        _ => "",
    };
    Cow::Owned(format!("{prefix}{path}{}{place}", described(message)))
}

/// Splits off ` at line 1 column 2`.
pub(super) fn split_place(text: &str) -> (&str, &str) {
    let found = text.rfind(" at line ").and_then(|start| text.split_at_checked(start));
    let is_place = |place: &str| {
        let numbers = place.trim_start_matches(" at line ").split_once(" column ");
        numbers.is_some_and(|(line, column)| {
            line.parse::<u64>().is_ok() && column.parse::<u64>().is_ok()
        })
    };
    found.filter(|(_, place)| is_place(place)).unwrap_or((text, ""))
}

/// How serde's messages about a value begin.
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

/// Messages that quote no value.
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

/// How serde's descriptions of a value begin, and what we call it.
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

/// Serde's message about data, without the value.
pub(super) fn described(message: &str) -> Cow<'static, str> {
    // The value comes before what was expected, so the last match is the right one.
    let expected = message.rsplit_once(", expected ").map(|(_, expected)| expected);
    let after = |beginning: &str| message.strip_prefix(beginning);
    if let Some(plain) = PLAIN.into_iter().find(|plain| *plain == message) {
        return plain.into();
    }
    // The names of members are those of the type.
    if after("missing field `").or(after("duplicate field `")).or(after("two members `")).is_some()
    {
        return message.to_owned().into();
    }
    if let Some(came) = after("invalid type: ").or(after("invalid value: "))
        && let Some(expected) = expected
    {
        let kind = KINDS.into_iter().find(|(kind, _)| came.starts_with(kind));
        let came = kind.map_or("another value", |(_, ours)| ours);
        return format!("expected {expected}, got {came}").into();
    }
    let is_closed = ["unknown variant `", "unknown field `", "invalid length "]
        .into_iter()
        .any(|beginning| message.starts_with(beginning));
    if is_closed
        && !message.ends_with(", there are no variants")
        && !message.ends_with(", there are no fields")
        && let Some(expected) = expected
    {
        return format!("expected {expected}").into();
    }
    if message.starts_with("Cannot parse ")
        && let Some((_, kind)) = message.rsplit_once("` to a `")
    {
        return format!("expected `{kind}").into();
    }
    "expected other data".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_an_extractor_loses_its_values_and_nothing_else() {
        for (text, expected) in [
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
            assert_eq!(without_values(text), expected);
        }
    }
}
