use std::time::Duration;

use url::Url;

use crate::SsmConfigError;

/// What one request is given: decryption by KMS takes its time.
const ATTEMPT: Duration = Duration::from_millis(400);

/// Parameter Store counts at most 15 levels; the kind and the name of a record are two of them.
const DEEPEST: usize = 13;

/// A name with its ARN may have 1,011 characters; this leaves room for both and for the record.
const LONGEST: usize = 800;

/// Under which path to keep the parameters, and how.
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
    pub(crate) attempt: Duration,
}

/// How large a parameter may be, and what it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// 4 KB, free of charge.
    Standard,
    /// 8 KB, at a price a month; the key must allow `kms:GenerateDataKey`.
    Advanced,
}

impl SsmConfig {
    /// Parameters under `path`, with the account's default key and tier, in the region of the
    /// environment.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), region: None, kms_key: None, tier: None, attempt: ATTEMPT }
    }

    /// Reads `ssm:///path[?kms_key=KEY&tier=standard|advanced&region=REGION]`.
    ///
    /// # Errors
    ///
    /// [`SsmConfigError`] names the part or the option that is wrong.
    pub fn parse(text: &str) -> Result<Self, SsmConfigError> {
        let url = Url::parse(text)?;
        if url.scheme() != "ssm" {
            return Err(SsmConfigError::Scheme { got: short(url.scheme()) });
        }
        refuse_extra_parts(&url)?;
        // As it was written: a URL's path has lost its `..` by now.
        let written = text.split_once("://").map_or("", |(_, rest)| rest);
        let path = written.split(['?', '#']).next().unwrap_or_default();
        let mut config = Self::new(path.strip_suffix('/').unwrap_or(path));
        let mut seen = Vec::new();
        for (option, value) in url.query_pairs() {
            match &*option {
                "kms_key" => config.kms_key = Some(value.into_owned()),
                "tier" => config.tier = Some(tier(&value)?),
                "region" => config.region = Some(value.into_owned()),
                _ => return Err(SsmConfigError::UnknownOption { option: short(&option) }),
            }
            if seen.contains(&option) {
                return Err(SsmConfigError::RepeatedOption { option: option.into_owned() });
            }
            seen.push(option);
        }
        config.check()?;
        Ok(config)
    }

    /// Uses the Parameter Store of this region.
    #[must_use]
    pub fn with_region(self, region: impl Into<String>) -> Self {
        Self { region: Some(region.into()), ..self }
    }

    /// Encrypts with this KMS key: an alias, an id or an ARN.
    #[must_use]
    pub fn with_kms_key(self, key: impl Into<String>) -> Self {
        Self { kms_key: Some(key.into()), ..self }
    }

    /// Writes parameters of this tier.
    #[must_use]
    pub fn with_tier(self, tier: Tier) -> Self {
        Self { tier: Some(tier), ..self }
    }

    /// Gives one request on a standing connection this long, 400 ms unless given.
    #[must_use]
    pub fn with_attempt_timeout(self, attempt: Duration) -> Self {
        Self { attempt, ..self }
    }

    /// What `parse` promises, for a configuration that was put together in code.
    pub(crate) fn check(&self) -> Result<(), SsmConfigError> {
        if !is_path(&self.path) {
            return Err(SsmConfigError::Path { got: short(&self.path) });
        }
        match (&self.region, &self.kms_key) {
            (Some(region), _) if !is_region(region) => {
                Err(SsmConfigError::Region { got: short(region) })
            }
            (_, Some(key)) if !is_key(key) => Err(SsmConfigError::KmsKey { got: short(key) }),
            _ => Ok(()),
        }
    }

    /// The most bytes that a value may have.
    pub(crate) fn largest(&self) -> usize {
        match self.tier {
            Some(Tier::Advanced) => 8_192,
            Some(Tier::Standard) | None => 4_096,
        }
    }
}

fn refuse_extra_parts(url: &Url) -> Result<(), SsmConfigError> {
    let extra = [
        ("user name", !url.username().is_empty()),
        ("password", url.password().is_some()),
        (
            "host, write `ssm:///path` with three slashes",
            url.host_str().is_some_and(|host| !host.is_empty()),
        ),
        ("fragment", url.fragment().is_some()),
    ];
    match extra.into_iter().find(|(_, given)| *given) {
        Some((part, _)) => Err(SsmConfigError::ExtraPart { part }),
        None => Ok(()),
    }
}

fn tier(name: &str) -> Result<Tier, SsmConfigError> {
    match name {
        "standard" => Ok(Tier::Standard),
        "advanced" => Ok(Tier::Advanced),
        _ => Err(SsmConfigError::Tier { got: short(name) }),
    }
}

fn is_path(path: &str) -> bool {
    let segment = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    };
    let Some(segments) = path.strip_prefix('/') else { return false };
    // Parameter Store reserves names that begin like this, in any case.
    let reserved = segments.get(..3).is_some_and(|begin| {
        begin.eq_ignore_ascii_case("aws") || begin.eq_ignore_ascii_case("ssm")
    });
    !reserved
        && path.len() <= LONGEST
        && segments.split('/').count() <= DEEPEST
        && segments.split('/').all(segment)
}

fn is_key(key: &str) -> bool {
    (1..=2_048).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:/-".contains(&byte))
}

/// A region becomes part of a host name: nothing else may be smuggled into it.
fn is_region(region: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (2..=32).contains(&region.len())
        && region.bytes().all(legal)
        && !region.starts_with('-')
        && !region.ends_with('-')
}

/// Enough to be found again, not a megabyte of it.
fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_path_key_tier_and_region() {
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
    fn a_refusal_names_what_is_wrong() {
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
            ("ssm:///fleet?tier=intelligent", "\"intelligent\""),
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
