//! The environment variables of funcify, and a check for misspelled ones.

use crate::config_error::ConfigError;

/// Every variable that funcify reads. The variables of its tests begin with `FUNCIFY_TEST_`.
const KNOWN: [&str; 15] = [
    "FUNCIFY_AUDIENCE",
    "FUNCIFY_BACKEND",
    "FUNCIFY_CA_FILE",
    "FUNCIFY_CIRCUITS",
    "FUNCIFY_CLIENT_ID",
    "FUNCIFY_CLIENT_SECRET",
    "FUNCIFY_IDEMPOTENCY",
    "FUNCIFY_ISSUER",
    "FUNCIFY_METRICS",
    "FUNCIFY_SCOPE",
    "FUNCIFY_SEAL_KEYS",
    "FUNCIFY_TOKENS",
    "FUNCIFY_TOKEN_KEY",
    "FUNCIFY_TOKEN_URL",
    "FUNCIFY_UNSAFE_LOGS",
];

/// A name counts as a typing error if at most this many letters are wrong, missing or added.
const TYPING_ERRORS: usize = 2;

/// Refuses a variable whose name looks like a typing error, and logs any other unknown one. A fleet that sets
/// `FUNCIFY_SEALKEYS` instead of `FUNCIFY_SEAL_KEYS` would otherwise store its tokens in the clear.
pub(crate) fn check(names: impl Iterator<Item = String>) -> Result<(), ConfigError> {
    let is_unknown = |name: &String| {
        name.starts_with("FUNCIFY_")
            && !name.starts_with("FUNCIFY_TEST_")
            && !KNOWN.contains(&name.as_str())
    };
    for name in names.filter(is_unknown) {
        let nearest = KNOWN.into_iter().map(|known| (distance(&name, known), known)).min();
        let (distance, nearest) = nearest.unwrap_or_default();
        if distance <= TYPING_ERRORS {
            return Err(ConfigError::invalid(format!(
                "{name} is not a variable of funcify: did you mean {nearest}?"
            )));
        }
        tracing::warn!(%name, nearest, "an unknown variable of funcify is ignored");
    }
    Ok(())
}

/// The names of all environment variables of this process.
pub(crate) fn names() -> impl Iterator<Item = String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok())
}

/// How many letters must be replaced, added or removed to turn one name into the other (the Levenshtein
/// distance).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (place, letter) in (1..).zip(one.bytes()) {
        let mut next = vec![place];
        let mut left = place;
        for (above, against) in row.windows(2).zip(other.bytes()) {
            let [diagonal, above] = above else { continue };
            left = (diagonal + usize::from(letter != against)).min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str) -> Option<String> {
        check([name.to_owned()].into_iter()).err().map(|error| error.to_string())
    }

    #[test]
    fn a_typing_error_is_refused_with_the_nearest_name() {
        for (wrong, right) in [
            ("FUNCIFY_SEALKEYS", "FUNCIFY_SEAL_KEYS"),
            ("FUNCIFY_SEAL_KEY", "FUNCIFY_SEAL_KEYS"),
            ("FUNCIFY_BACKENDS", "FUNCIFY_BACKEND"),
            ("FUNCIFY_CLIENTSECRET", "FUNCIFY_CLIENT_SECRET"),
            ("FUNCIFY_TOKEN", "FUNCIFY_TOKENS"),
        ] {
            let expected = format!("{wrong} is not a variable of funcify: did you mean {right}?");
            assert_eq!(refused(wrong), Some(expected));
        }
    }

    #[test]
    fn known_names_and_names_of_others_are_left_alone() {
        for name in KNOWN {
            assert_eq!(refused(name), None, "{name}");
        }
        for name in ["FUNCIFY_TEST_SEED", "FUNCIFY_DASHBOARD", "PATH", "FUNCIFY", "SEAL_KEYS"] {
            assert_eq!(refused(name), None, "{name}");
        }
    }

    #[test]
    fn an_unknown_name_that_resembles_none_is_logged_and_ignored() {
        let log = funcify_test_support::LogCapture::new();
        let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(log.writer()).finish();
        tracing::subscriber::with_default(lines, || assert_eq!(refused("FUNCIFY_DASHBOARD"), None));
        let text = log.text();
        assert!(text.contains("WARN") && text.contains("FUNCIFY_DASHBOARD"), "{text}");
    }

    #[test]
    fn the_page_of_all_settings_lists_each_variable_once() {
        let page = include_str!("../docs/settings.md");
        let listed =
            page.lines().filter_map(|line| line.strip_prefix("| `FUNCIFY_")?.split('`').next());
        let mut listed: Vec<_> = listed.map(|name| format!("FUNCIFY_{name}")).collect();
        listed.sort();
        assert_eq!(listed, KNOWN);
    }

    #[test]
    fn a_distance_counts_letters() {
        for (one, other, expected) in
            [("", "", 0), ("a", "", 1), ("", "ab", 2), ("abc", "axc", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(one, other), expected, "{one} {other}");
        }
    }
}
