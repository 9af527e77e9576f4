//! Error messages of parsers without the values that they quote.

use std::borrow::Cow;

use crate::json_error::redact::{PLAIN, described, split_place};

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
    // The path to the member at fault. It is kept if it consists of names only.
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
