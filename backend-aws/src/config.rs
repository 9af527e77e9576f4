//! The parser for the URLs of stores, for their options and for the region.

use funcify_core::engine::{TimeLimitError, TimeLimits};
use url::Url;

/// Why a URL or a region was refused. The message never contains a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AwsConfigError {
    /// The text is not a URL, or the name of the table or the path is missing.
    #[error("expected a URL like {form}")]
    Url {
        /// The expected form.
        form: &'static str,
        /// What the parser found.
        source: url::ParseError,
    },
    /// The URL belongs to another store.
    #[error("expected the scheme `{expected}`, got `{got}`")]
    Scheme {
        /// The expected scheme.
        expected: &'static str,
        /// The scheme in the URL.
        got: String,
    },
    /// The URL has a part that this store does not use.
    #[error("expected a URL like {form}, without a {part}")]
    ExtraPart {
        /// The expected form.
        form: &'static str,
        /// The part that must be left out.
        part: &'static str,
    },
    /// The store has no such option.
    #[error("unknown option `{option}`, expected {expected}")]
    UnknownOption {
        /// The option in the URL.
        option: String,
        /// The options that the store has.
        expected: &'static str,
    },
    /// The URL contains the option more than once.
    #[error("option `{option}` is given twice")]
    RepeatedOption {
        /// The option.
        option: &'static str,
    },
    /// A time limit is not a number, is out of its range, or does not fit the other limit.
    #[error(transparent)]
    TimeLimit(#[from] TimeLimitError),
    /// The region has an invalid name, or no region is configured.
    #[error(
        "expected a region like eu-central-1, as the option `region` or in AWS_REGION, got {got:?}"
    )]
    Region {
        /// The configured region, empty if there is none.
        got: String,
    },
}

/// Parses a URL of the form `form` and refuses the parts that no store uses: a user name, a password, a
/// fragment, and an `@` anywhere.
///
/// # Errors
///
/// [`AwsConfigError`] names the part that is wrong. It never contains a part of a password, because a URL
/// with an `@` is refused before any error shows a part of it.
pub fn parse_url(
    text: &str,
    scheme: &'static str,
    form: &'static str,
) -> Result<Url, AwsConfigError> {
    let url = Url::parse(text).map_err(|source| AwsConfigError::Url { form, source })?;
    refuse_part(form, "user name", !url.username().is_empty())?;
    refuse_part(form, "password", url.password().is_some())?;
    refuse_part(form, "`@`", text.contains('@'))?;
    if url.scheme() != scheme {
        // Without slashes, the text before the colon may be half of a password.
        let is_scheme = text.contains("://");
        let got = if is_scheme { shorten(url.scheme()) } else { "…".to_owned() };
        return Err(AwsConfigError::Scheme { expected: scheme, got });
    }
    refuse_part(form, "fragment", url.fragment().is_some())?;
    Ok(url)
}

/// Refuses a part of a URL that the store does not use, if it is `present`.
///
/// # Errors
///
/// [`AwsConfigError::ExtraPart`] if the part is `present`.
pub fn refuse_part(
    form: &'static str,
    part: &'static str,
    present: bool,
) -> Result<(), AwsConfigError> {
    if present { Err(AwsConfigError::ExtraPart { form, part }) } else { Ok(()) }
}

/// The options in the query of a URL, percent-decoded.
#[derive(Debug)]
pub struct UrlOptions(Vec<(String, String)>);

impl UrlOptions {
    /// Returns the options of `url`.
    #[must_use]
    pub fn of(url: &Url) -> Self {
        Self(url.query_pairs().into_owned().collect())
    }

    /// Removes the option `name` and returns its value.
    ///
    /// # Errors
    ///
    /// [`AwsConfigError::RepeatedOption`] if the URL contains the option more than once.
    pub fn take(&mut self, name: &'static str) -> Result<Option<String>, AwsConfigError> {
        let mut values = self.0.extract_if(.., |(option, _)| option == name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value.map(|(_, value)| value)),
            (_, Some(_)) => Err(AwsConfigError::RepeatedOption { option: name }),
        }
    }

    /// Removes the options for the time limits and returns their values.
    ///
    /// # Errors
    ///
    /// [`AwsConfigError::TimeLimit`] if a value is not a whole number of milliseconds.
    pub fn take_limits(&mut self) -> Result<TimeLimits, AwsConfigError> {
        let timeout = self.take(TimeLimits::TIMEOUT)?;
        let connect_timeout = self.take(TimeLimits::CONNECT_TIMEOUT)?;
        Ok(TimeLimits::parse(timeout.as_deref(), connect_timeout.as_deref())?)
    }

    /// Refuses every option that was not taken. `expected` lists the options that the store has.
    ///
    /// # Errors
    ///
    /// [`AwsConfigError::UnknownOption`] names the first option that was not taken.
    pub fn finish(self, expected: &'static str) -> Result<(), AwsConfigError> {
        match self.0.into_iter().next() {
            Some((option, _)) => {
                Err(AwsConfigError::UnknownOption { option: shorten(&option), expected })
            }
            None => Ok(()),
        }
    }
}

/// Checks the name of a region, if one is given. The region becomes a part of a host name, so it must not
/// contain anything else.
///
/// # Errors
///
/// [`AwsConfigError::Region`] if the name is not 2 to 32 of the characters `a-z 0-9 -`, or if it
/// begins or ends with a hyphen.
pub fn check_region(region: Option<&str>) -> Result<(), AwsConfigError> {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    match region {
        Some(region)
            if !(2..=32).contains(&region.len())
                || !region.bytes().all(legal)
                || region.starts_with('-')
                || region.ends_with('-') =>
        {
            Err(AwsConfigError::Region { got: shorten(region) })
        }
        _ => Ok(()),
    }
}

/// Returns the first 80 characters of a value, for an error message. They are enough to find the value in
/// a configuration.
#[must_use]
pub fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "store://NAME";

    #[test]
    fn a_url_of_another_form_is_refused_with_the_expected_form() {
        for (text, named) in [
            ("", FORM),
            ("name", FORM),
            ("other://name", "expected the scheme `store`, got `other`"),
            ("store://user@name", "without a user name"),
            ("store://:canary@name", "without a password"),
            ("store://name#part", "without a fragment"),
        ] {
            let refused = parse_url(text, "store", FORM).unwrap_err().to_string();
            assert!(refused.contains(named), "{text}: {refused}");
            assert!(!refused.contains("canary"), "{refused}");
        }
        for text in [
            "user:canary@name",
            "canary:6379",
            "store:canary@name",
            "store://user/canary@name",
            "store://user?canary@name",
            "store://user?a=canary@name",
            "store://name?a=b&canary@name",
            "store:///user:canary@name/path",
        ] {
            let refused = parse_url(text, "store", FORM).unwrap_err();
            assert!(!format!("{refused} {refused:?}").contains("canary"), "{text}: {refused:?}");
        }
        assert_eq!(parse_url("STORE://name", "store", FORM).unwrap().host_str(), Some("name"));
    }

    #[test]
    fn each_option_is_taken_once_and_what_is_left_is_unknown() {
        let options =
            |query: &str| UrlOptions::of(&Url::parse(&format!("store://name?{query}")).unwrap());
        let mut both = options("b=1%2F2&a=x");
        assert_eq!(both.take("a").unwrap().as_deref(), Some("x"));
        assert_eq!(both.take("b").unwrap().as_deref(), Some("1/2"));
        assert_eq!(both.take("a").unwrap(), None);
        both.finish("`a` or `b`").unwrap();

        let twice = options("a=x&a=x").take("a").unwrap_err();
        assert_eq!(twice.to_string(), "option `a` is given twice");

        let long = "c".repeat(1_000);
        let unknown = options(&long).finish("`a` or `b`").unwrap_err().to_string();
        assert_eq!(unknown, format!("unknown option `{}`, expected `a` or `b`", "c".repeat(80)));
    }

    #[test]
    fn a_region_is_part_of_a_host_name_and_nothing_else() {
        for region in ["eu-central-1", "us-gov-west-1", "x1", &"a".repeat(32)] {
            check_region(Some(region)).unwrap();
        }
        check_region(None).unwrap();
        for region in ["", "a", "EU", "-eu-", "eu-", "eu.example", "eu/", "ä1", &"a".repeat(33)] {
            let refused = check_region(Some(region)).unwrap_err().to_string();
            assert!(refused.contains(&format!("{region:?}")), "{refused}");
        }
    }
}
