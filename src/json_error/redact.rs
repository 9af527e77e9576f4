//! The messages of serde without the values that they quote.

use std::borrow::Cow;

/// Splits off ` at line 1 column 2`.
pub(crate) fn split_place(text: &str) -> (&str, &str) {
    let found = text.rfind(" at line ").and_then(|start| text.split_at_checked(start));
    let is_place = |place: &str| {
        let numbers = place.trim_start_matches(" at line ").split_once(" column ");
        numbers.is_some_and(|(line, column)| {
            line.parse::<u64>().is_ok() && column.parse::<u64>().is_ok()
        })
    };
    found.filter(|(_, place)| is_place(place)).unwrap_or((text, ""))
}

/// Messages that quote no value.
pub(crate) const PLAIN: [&str; 7] = [
    "invalid digit found in string",
    "cannot parse integer from empty string",
    "number too large to fit in target type",
    "number too small to fit in target type",
    "provided string was not `true` or `false`",
    "expected a key of UTF-8",
    "expected base64",
];

/// How serde's descriptions of a value begin, and how the error describes the value.
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
pub(crate) fn described(message: &str) -> Cow<'static, str> {
    // The value comes before what was expected, so the last match is the right one.
    let expected = message.rsplit_once(", expected ").map(|(_, expected)| expected);
    let after = |beginning: &str| message.strip_prefix(beginning);
    if let Some(plain) = PLAIN.into_iter().find(|plain| *plain == message) {
        return plain.into();
    }
    // These messages name only members of the type, and no value.
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
