//! Canaries: secrets that are searched in everything that was printed and stored, in every encoding.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// A secret, by the name that a failure shows.
#[derive(Clone, Debug)]
pub(crate) struct Canary {
    name: String,
    encodings: Vec<String>,
}

impl Canary {
    pub(crate) fn new(name: &str, secret: &str) -> Self {
        Self { name: name.to_owned(), encodings: encodings(secret) }
    }

    /// A binary secret, such as a key.
    pub(crate) fn of_bytes(name: &str, secret: &[u8]) -> Self {
        Self { name: name.to_owned(), encodings: encodings_of_bytes(secret) }
    }

    /// The encoding in which `text` shows it.
    pub(crate) fn found_in(&self, text: &str) -> Option<&str> {
        self.encodings.iter().map(String::as_str).find(|encoding| text.contains(encoding))
    }
}

/// What was searched, and what was found.
#[derive(Debug, Default)]
pub(crate) struct Search {
    pub(crate) lines: usize,
    pub(crate) bytes: usize,
    /// The name of each canary that was found, and where.
    pub(crate) hits: Vec<String>,
}

impl Search {
    /// Searches `text`, of which a failure shows only that it is `place`.
    pub(crate) fn look_at(&mut self, place: &str, text: &str, canaries: &[Canary]) {
        self.lines += text.lines().count();
        self.bytes += text.len();
        for canary in canaries {
            if let Some(encoding) = canary.found_in(text) {
                let at = text.find(encoding).unwrap_or_default();
                let before = text.get(text.floor_char_boundary(at.saturating_sub(60))..at);
                self.hits.push(format!("{} in {place}, after {before:?}", canary.name));
            }
        }
    }
}

/// So many letters and digits in a row are found by themselves. They are too many to be there by chance.
const LONG_RUN: usize = 16;

/// Every encoding in which `text` may appear.
pub(crate) fn encodings(text: &str) -> Vec<String> {
    let json = |text: &str| {
        let escaped = serde_json::to_string(text).unwrap();
        escaped[1..escaped.len() - 1].to_owned()
    };
    let percent = utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let lower_percent: String = text
        .bytes()
        .map(|byte| match byte.is_ascii_alphanumeric() {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02x}"),
        })
        .collect();
    let form: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let debug = format!("{text:?}");
    let mut encodings = vec![
        text.to_owned(),
        json(text),
        json(&json(text)),
        text.replace('/', "\\/"),
        // As the value of a parameter in SSM has it.
        json(text).replace('{', "\\u007b").replace('}', "\\u007d"),
        debug[1..debug.len() - 1].to_owned(),
        lower_percent,
        percent,
        form,
    ];
    encodings.extend(encodings_of_bytes(text.as_bytes()));
    // Text that no escaping changes, however often it is escaped.
    let runs = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    encodings.extend(runs.filter(|run| run.len() >= LONG_RUN).map(str::to_owned));
    encodings
}

/// Hexadecimal, base64 at any position of its groups, and how `Debug` shows bytes.
fn encodings_of_bytes(bytes: &[u8]) -> Vec<String> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let listed = format!("{bytes:?}");
    let escaped: String = bytes.escape_ascii().to_string();
    let mut encodings =
        vec![hex.to_uppercase(), hex, listed[1..listed.len() - 1].to_owned(), escaped];
    for before in 0..3 {
        let bytes = [&b"   "[..before], bytes].concat();
        for base64 in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            // The ends depend on the bytes before and after the secret.
            encodings.push(base64[4..base64.len() - 4].to_owned());
        }
    }
    encodings
}
