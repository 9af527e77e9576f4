use std::time::Duration;

use url::Url;

use crate::DynamoDbConfigError;

/// The attempt after which a connection counts as broken: DynamoDB answers within a few milliseconds.
const ATTEMPT: Duration = Duration::from_millis(200);

/// Which table to use, and how.
///
/// # Examples
///
/// ```
/// use funcify_backend_dynamodb::DynamoDbConfig;
///
/// let config = DynamoDbConfig::parse("dynamodb://fleet?region=eu-central-1&prefix=orders")?;
/// assert_eq!(config, DynamoDbConfig::new("fleet").with_region("eu-central-1").with_prefix("orders"));
///
/// let refused = DynamoDbConfig::parse("dynamodb://fleet?perfix=orders").unwrap_err();
/// assert!(refused.to_string().contains("`perfix`"));
/// # Ok::<(), funcify_backend_dynamodb::DynamoDbConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamoDbConfig {
    pub(crate) table: String,
    pub(crate) region: Option<String>,
    pub(crate) prefix: String,
    pub(crate) attempt: Duration,
}

impl DynamoDbConfig {
    /// The table `table`, in the region of the environment, with the prefix `funcify`.
    #[must_use]
    pub fn new(table: impl Into<String>) -> Self {
        let prefix = "funcify".to_owned();
        Self { table: table.into(), region: None, prefix, attempt: ATTEMPT }
    }

    /// Reads `dynamodb://TABLE[?region=REGION&prefix=PREFIX]`.
    ///
    /// # Errors
    ///
    /// [`DynamoDbConfigError`] names the part or the option that is wrong.
    pub fn parse(url: &str) -> Result<Self, DynamoDbConfigError> {
        let url = Url::parse(url)?;
        if url.scheme() != "dynamodb" {
            return Err(DynamoDbConfigError::Scheme { got: url.scheme().to_owned() });
        }
        let table = url.host_str().ok_or(url::ParseError::EmptyHost)?;
        refuse_extra_parts(&url)?;
        let mut config = Self::new(table);
        let mut seen = Vec::new();
        for (option, value) in url.query_pairs() {
            match &*option {
                "region" => config.region = Some(value.into_owned()),
                "prefix" => config.prefix = value.into_owned(),
                _ => return Err(DynamoDbConfigError::UnknownOption { option: short(&option) }),
            }
            if seen.contains(&option) {
                return Err(DynamoDbConfigError::RepeatedOption { option: option.into_owned() });
            }
            seen.push(option);
        }
        config.check()?;
        Ok(config)
    }

    /// Uses the table of this region.
    #[must_use]
    pub fn with_region(self, region: impl Into<String>) -> Self {
        Self { region: Some(region.into()), ..self }
    }

    /// Begins every key with `prefix:`: fleets with different prefixes share a table, not records.
    #[must_use]
    pub fn with_prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// Gives one request on a standing connection this long, 200 ms unless given: more where the
    /// table is an ocean away.
    #[must_use]
    pub fn with_attempt_timeout(self, attempt: Duration) -> Self {
        Self { attempt, ..self }
    }

    /// What `parse` promises, for a configuration that was put together in code.
    pub(crate) fn check(&self) -> Result<(), DynamoDbConfigError> {
        if !is_made_of(&self.table, 3..=255, b"_.-") {
            return Err(DynamoDbConfigError::Table { got: short(&self.table) });
        }
        if !is_made_of(&self.prefix, 1..=64, b"_.-") {
            return Err(DynamoDbConfigError::Prefix { got: short(&self.prefix) });
        }
        match &self.region {
            Some(region) if !is_region(region) => {
                Err(DynamoDbConfigError::Region { got: short(region) })
            }
            _ => Ok(()),
        }
    }
}

fn refuse_extra_parts(url: &Url) -> Result<(), DynamoDbConfigError> {
    let extra = [
        ("user name", !url.username().is_empty()),
        ("password", url.password().is_some()),
        ("port", url.port().is_some()),
        ("path", !matches!(url.path(), "" | "/")),
        ("fragment", url.fragment().is_some()),
    ];
    match extra.into_iter().find(|(_, given)| *given) {
        Some((part, _)) => Err(DynamoDbConfigError::ExtraPart { part }),
        None => Ok(()),
    }
}

fn is_made_of(text: &str, length: std::ops::RangeInclusive<usize>, also: &[u8]) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || also.contains(&byte);
    length.contains(&text.len()) && text.bytes().all(legal)
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
    fn a_url_says_table_region_and_prefix() {
        let plain = DynamoDbConfig::new("fleet");
        let region = plain.clone().with_region("eu-central-1");
        let cases = [
            ("dynamodb://fleet", plain.clone()),
            ("dynamodb://fleet/", plain.clone()),
            ("dynamodb://fleet?", plain.clone()),
            ("DynamoDB://fleet", plain.clone()),
            ("dynamodb://Fleet_2.0-a", DynamoDbConfig::new("Fleet_2.0-a")),
            ("dynamodb://fleet?region=eu-central-1", region.clone()),
            ("dynamodb://fleet/?region=eu-central-1", region.clone()),
            ("dynamodb://fleet?region=us-gov-west-1", plain.clone().with_region("us-gov-west-1")),
            ("dynamodb://fleet?prefix=a.b_c-D", plain.clone().with_prefix("a.b_c-D")),
            ("dynamodb://fleet?prefix=a%2Eb", plain.with_prefix("a.b")),
            ("dynamodb://fleet?prefix=p&region=eu-central-1", region.clone().with_prefix("p")),
            ("dynamodb://fleet?region=eu-central-1&prefix=p", region.with_prefix("p")),
        ];
        for (url, config) in cases {
            assert_eq!(DynamoDbConfig::parse(url).unwrap(), config, "{url}");
        }
    }

    #[test]
    fn a_refusal_names_what_is_wrong() {
        let long = format!("dynamodb://{}", "t".repeat(256));
        let cases = [
            ("", "a URL"),
            ("fleet", "a URL"),
            ("dynamodb:fleet", "dynamodb://TABLE"),
            ("dynamodb://", "dynamodb://TABLE"),
            ("dynamodb:///fleet", "dynamodb://TABLE"),
            ("dynamodb://ab", "\"ab\""),
            ("dynamodb://a%20b", "table name"),
            ("dynamodb://t%C3%A4ble", "table name"),
            (&long, "table name"),
            ("redis://fleet", "`redis`"),
            ("dynamodb://fleet:8000", "port"),
            ("dynamodb://user@fleet", "user name"),
            ("dynamodb://:canary@fleet", "password"),
            ("dynamodb://user:canary@fleet", "user name"),
            ("dynamodb://fleet/orders", "path"),
            ("dynamodb://fleet#orders", "fragment"),
            ("dynamodb://fleet?regoin=eu-central-1", "unknown option `regoin`"),
            ("dynamodb://fleet?Region=eu-central-1", "`Region`"),
            ("dynamodb://fleet?ttl=1", "`ttl`"),
            ("dynamodb://fleet?region", "region"),
            ("dynamodb://fleet?region=", "region"),
            ("dynamodb://fleet?region=EU", "\"EU\""),
            ("dynamodb://fleet?region=evil.example%2F", "\"evil.example/\""),
            ("dynamodb://fleet?region=-eu-", "\"-eu-\""),
            ("dynamodb://fleet?prefix=", "prefix"),
            ("dynamodb://fleet?prefix=a:b", "\"a:b\""),
            ("dynamodb://fleet?prefix=a/b", "\"a/b\""),
            ("dynamodb://fleet?prefix=a&prefix=b", "`prefix` is given twice"),
            ("dynamodb://fleet?region=eu-central-1&region=eu-central-1", "`region` is given twice"),
        ];
        for (url, named) in cases {
            let refusal = DynamoDbConfig::parse(url).unwrap_err().to_string();
            assert!(refusal.contains(named), "{url}: {refusal}");
            assert!(!refusal.contains("canary"), "{url}: {refusal}");
        }
    }
}
