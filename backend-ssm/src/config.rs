use std::time::Duration;

use funcify_backend_aws::{
    AwsConfigError, UrlOptions, check_region, parse_url, refuse_part, shorten,
};
use funcify_core::engine::TimeLimits;

use crate::SsmConfigError;

/// The most segments of a path, 13. Parameter Store allows 15 levels, and the kind and the name of a record
/// are two of them.
const MAX_SEGMENTS: usize = 13;

/// The most characters of a path, 800. Parameter Store allows 1,011 for a name together with its ARN. The
/// rest is for the ARN, the kind and the name of a record.
const MAX_PATH_LENGTH: usize = 800;

/// The form of the URL, for error messages.
const FORM: &str = "ssm:///path (with three slashes)";

/// Under which path to store the parameters, with which KMS key and tier, and the time limits.
///
/// # Examples
///
/// ```
/// use funcify_backend_ssm::{SsmConfig, Tier};
///
/// let config = SsmConfig::parse("ssm:///fleet/orders?kms_key=alias/fleet&tier=advanced")?;
/// let in_code = SsmConfig::new("/fleet/orders").with_kms_key("alias/fleet").with_tier(Tier::Advanced);
/// assert_eq!(config, in_code);
///
/// let refused = SsmConfig::parse("ssm:///fleet?tier=huge").unwrap_err();
/// assert!(refused.to_string().contains("huge"));
/// # Ok::<(), funcify_backend_ssm::SsmConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SsmConfig {
    pub(crate) path: String,
    pub(crate) region: Option<String>,
    pub(crate) kms_key: Option<String>,
    pub(crate) tier: Option<Tier>,
    pub(crate) limits: TimeLimits,
    attempt_timeout: Option<Duration>,
}

/// The tier of a parameter: how large it may be, and what it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tier {
    /// Up to 4 KB, free of charge.
    Standard,
    /// Up to 8 KB, with a monthly price. The function needs `kms:GenerateDataKey` on the key.
    Advanced,
    /// Parameter Store chooses each parameter's tier: standard up to 4 KB, and advanced above that or if
    /// the account has no more standard parameters. A parameter that has become advanced stays advanced. The
    /// function needs `kms:GenerateDataKey` on the key.
    Intelligent,
}

impl SsmConfig {
    /// Stores parameters under `path` in the region of the environment, with the default KMS key and the
    /// default tier of the account.
    ///
    /// `path` begins with `/`, and has 1 to 13 segments of the characters `A-Z a-z 0-9 _ . -` and at most 800
    /// characters. It must not begin with `/aws` or `/ssm`.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            region: None,
            kms_key: None,
            tier: None,
            limits: TimeLimits::default(),
            attempt_timeout: None,
        }
    }

    /// Parses `ssm:///path[?options]`. Note the three slashes. The README lists the options.
    ///
    /// # Errors
    ///
    /// [`SsmConfigError`] names the part or the option that is wrong.
    pub fn parse(text: &str) -> Result<Self, SsmConfigError> {
        let url = parse_url(text, "ssm", FORM)?;
        refuse_part(FORM, "host", url.host_str().is_some_and(|host| !host.is_empty()))?;
        // This is the path as it was written. The parser of URLs has already resolved its `..`.
        let written = text.split_once("://").map_or("", |(_, rest)| rest);
        let path = written.split(['?', '#']).next().unwrap_or_default();

        let mut config = Self::new(path.strip_suffix('/').unwrap_or(path));
        let mut options = UrlOptions::of(&url);
        config.kms_key = options.take("kms_key")?;
        config.tier = options.take("tier")?.as_deref().map(tier).transpose()?;
        config.region = options.take("region")?;
        config.limits = options.take_limits()?;
        options.finish("`kms_key`, `tier`, `region`, `timeout` or `connect_timeout`")?;
        config.check()?;
        Ok(config)
    }

    /// Uses Parameter Store in this region instead of the region of the environment.
    #[must_use]
    pub fn with_region(self, region: impl Into<String>) -> Self {
        Self { region: Some(region.into()), ..self }
    }

    /// Encrypts with this KMS key instead of `alias/aws/ssm`: an alias, an id or an ARN.
    #[must_use]
    pub fn with_kms_key(self, key: impl Into<String>) -> Self {
        Self { kms_key: Some(key.into()), ..self }
    }

    /// Writes parameters of this tier instead of the default tier of the account. A record that does not fit
    /// into the tier cannot be written.
    #[must_use]
    pub fn with_tier(self, tier: Tier) -> Self {
        Self { tier: Some(tier), ..self }
    }

    /// Limits one operation with its retries: 100 ms to 10 s. The default is 500 ms. A write takes two or
    /// more requests, one after the other. If the region is far away, set about ten times the round trip.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use funcify_backend_ssm::SsmConfig;
    ///
    /// let config = SsmConfig::new("/fleet").with_timeout(Duration::from_secs(3));
    /// assert_eq!(config, SsmConfig::parse("ssm:///fleet?timeout=3000")?);
    /// # Ok::<(), funcify_backend_ssm::SsmConfigError>(())
    /// ```
    #[must_use]
    pub fn with_timeout(self, limit: Duration) -> Self {
        Self { limits: self.limits.with_timeout(limit), ..self }
    }

    /// Limits the time to connect with TCP and TLS: 20 ms to 5 s, and at most half of the limit of an
    /// operation, which is also the default.
    #[must_use]
    pub fn with_connect_timeout(self, limit: Duration) -> Self {
        Self { limits: self.limits.with_connect_timeout(limit), ..self }
    }

    /// Limits one request on an existing connection. The default is four fifths of the limit of an operation,
    /// because KMS decrypts each value, which takes longer than the read itself.
    #[must_use]
    pub fn with_attempt_timeout(self, limit: Duration) -> Self {
        Self { attempt_timeout: Some(limit), ..self }
    }

    /// Returns the time limits, for the code that creates the HTTP client.
    #[doc(hidden)]
    #[must_use]
    pub fn time_limits(&self) -> TimeLimits {
        self.limits
    }

    pub(crate) fn attempt_timeout(&self) -> Duration {
        self.attempt_timeout.unwrap_or(self.limits.timeout() * 4 / 5)
    }

    /// Checks a configuration that was parsed or built in code.
    pub(crate) fn check(&self) -> Result<(), SsmConfigError> {
        if !is_path(&self.path) {
            return Err(SsmConfigError::Path { got: shorten(&self.path) });
        }
        check_region(self.region.as_deref())?;
        self.limits.check().map_err(AwsConfigError::from)?;
        match &self.kms_key {
            Some(key) if !is_key(key) => Err(SsmConfigError::KmsKey { got: shorten(key) }),
            _ => Ok(()),
        }
    }

    /// Returns the most bytes that a value may have in this tier.
    pub(crate) fn max_value_bytes(&self) -> usize {
        match self.tier {
            Some(Tier::Advanced | Tier::Intelligent) => 8_192,
            Some(Tier::Standard) | None => 4_096,
        }
    }
}

fn tier(name: &str) -> Result<Tier, SsmConfigError> {
    match name {
        "standard" => Ok(Tier::Standard),
        "advanced" => Ok(Tier::Advanced),
        "intelligent" => Ok(Tier::Intelligent),
        _ => Err(SsmConfigError::Tier { got: shorten(name) }),
    }
}

fn is_path(path: &str) -> bool {
    let is_segment = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    };
    let Some(segments) = path.strip_prefix('/') else { return false };
    // Parameter Store reserves names that begin with these letters, in upper or lower case.
    let reserved = segments.get(..3).is_some_and(|begin| {
        begin.eq_ignore_ascii_case("aws") || begin.eq_ignore_ascii_case("ssm")
    });
    !reserved
        && path.len() <= MAX_PATH_LENGTH
        && segments.split('/').count() <= MAX_SEGMENTS
        && segments.split('/').all(is_segment)
}

/// Whether the text can be an alias, an id or an ARN of a key. It has at most 2,048 characters ("KeyId" in
/// the API reference of KMS).
fn is_key(key: &str) -> bool {
    (1..=2_048).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:/-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_path_key_tier_and_region() {
        let plain = SsmConfig::new("/fleet");
        let key = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
        let deep = format!("/{}", ["a"; 13].join("/"));
        let deep_url = format!("ssm://{deep}");
        let key_url = format!("ssm:///fleet?kms_key={key}");
        let cases = [
            ("ssm:///fleet", plain.clone()),
            ("ssm:///fleet/", plain.clone()),
            ("ssm:///fleet?", plain.clone()),
            ("SSM:///fleet", plain.clone()),
            ("ssm:///Fleet_2.0-a/b", SsmConfig::new("/Fleet_2.0-a/b")),
            ("ssm:///.../x", SsmConfig::new("/.../x")),
            (&deep_url, SsmConfig::new(deep)),
            ("ssm:///fleet?kms_key=alias/fleet", plain.clone().with_kms_key("alias/fleet")),
            ("ssm:///fleet?kms_key=alias%2Ffleet", plain.clone().with_kms_key("alias/fleet")),
            (&key_url, plain.clone().with_kms_key(key)),
            ("ssm:///fleet?tier=standard", plain.clone().with_tier(Tier::Standard)),
            ("ssm:///fleet?tier=advanced", plain.clone().with_tier(Tier::Advanced)),
            ("ssm:///fleet?tier=intelligent", plain.clone().with_tier(Tier::Intelligent)),
            ("ssm:///fleet?timeout=3000", plain.clone().with_timeout(Duration::from_secs(3))),
            ("ssm:///fleet?region=eu-central-1", plain.clone().with_region("eu-central-1")),
            (
                "ssm:///fleet?region=eu-central-1&tier=advanced&kms_key=alias/k",
                plain.with_region("eu-central-1").with_tier(Tier::Advanced).with_kms_key("alias/k"),
            ),
        ];
        for (url, config) in cases {
            assert_eq!(SsmConfig::parse(url).unwrap(), config, "{url}");
        }
    }

    #[test]
    fn an_invalid_url_is_refused_with_what_is_wrong() {
        let deep = format!("ssm:///{}", ["a"; 14].join("/"));
        let long = format!("ssm:///{}", "a".repeat(801));
        let cases = [
            ("", "a URL"),
            ("/fleet", "a URL"),
            ("ssm:", "\"\""),
            ("ssm:fleet", "a path"),
            ("ssm://", "\"\""),
            ("ssm:///", "\"\""),
            ("ssm://fleet", "three slashes"),
            ("ssm://fleet/orders", "three slashes"),
            ("ssm:////fleet", "\"//fleet\""),
            ("ssm:///fleet//orders", "\"/fleet//orders\""),
            ("ssm:///fleet/../orders", "\"/fleet/../orders\""),
            ("ssm:///fleet orders", "\"/fleet orders\""),
            ("ssm:///fl%C3%A4t", "\"/fl%C3%A4t\""),
            ("ssm:///{fleet}", "\"/{fleet}\""),
            ("ssm:///aws/fleet", "\"/aws/fleet\""),
            ("ssm:///AWSome", "\"/AWSome\""),
            ("ssm:///ssm-fleet", "\"/ssm-fleet\""),
            (&deep, "a path"),
            (&long, "a path"),
            ("dynamodb:///fleet", "`dynamodb`"),
            ("ssm://user@/fleet", "a URL"),
            ("ssm://user:canary@host/fleet", "user name"),
            ("ssm://:canary@host/fleet", "password"),
            ("ssm:///fleet#orders", "fragment"),
            ("ssm:///fleet?kms-key=alias/fleet", "unknown option `kms-key`"),
            ("ssm:///fleet?prefix=x", "`prefix`"),
            ("ssm:///fleet?kms_key=", "KMS key"),
            ("ssm:///fleet?kms_key=alias/a%20b", "\"alias/a b\""),
            ("ssm:///fleet?tier=", "\"\""),
            ("ssm:///fleet?tier=Advanced", "\"Advanced\""),
            ("ssm:///fleet?tier=clever", "standard, advanced or intelligent, got \"clever\""),
            ("ssm:///fleet?timeout=50", "expected 100 to 10000 milliseconds"),
            ("ssm:///fleet?connect_timeout=300", "raise `timeout` to 600"),
            ("ssm:///fleet?region=", "region"),
            ("ssm:///fleet?region=EU", "\"EU\""),
            ("ssm:///fleet?tier=standard&tier=standard", "`tier` is given twice"),
        ];
        for (url, named) in cases {
            let refusal = SsmConfig::parse(url).unwrap_err().to_string();
            assert!(refusal.contains(named), "{url}: {refusal}");
            assert!(!refusal.contains("canary"), "{url}: {refusal}");
        }
    }
}
