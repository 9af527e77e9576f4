use std::{ops::RangeInclusive, time::Duration};

use funcify_backend_aws::{
    AwsConfigError, UrlOptions, check_region, parse_url, refuse_part, shorten,
};

use crate::DynamoDbConfigError;

/// The time limit of one request, 200 ms. DynamoDB answers within a few milliseconds, so the
/// connection is probably broken by then, and 300 ms of the operation are left to try again.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(200);

/// The form of the URL, for error messages.
const FORM: &str = "dynamodb://TABLE";

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
    pub(crate) attempt_timeout: Duration,
}

impl DynamoDbConfig {
    /// Uses the table `table` in the region of the environment, with the prefix `funcify`.
    #[must_use]
    pub fn new(table: impl Into<String>) -> Self {
        Self {
            table: table.into(),
            region: None,
            prefix: "funcify".to_owned(),
            attempt_timeout: ATTEMPT_TIMEOUT,
        }
    }

    /// Parses `dynamodb://TABLE[?region=REGION&prefix=PREFIX]`.
    ///
    /// # Errors
    ///
    /// [`DynamoDbConfigError`] names the part or the option that is wrong.
    pub fn parse(url: &str) -> Result<Self, DynamoDbConfigError> {
        let url = parse_url(url, "dynamodb", FORM)?;
        let no_host = url::ParseError::EmptyHost;
        let table = url.host_str().ok_or(AwsConfigError::Url { form: FORM, source: no_host })?;
        refuse_part(FORM, "port", url.port().is_some())?;
        refuse_part(FORM, "path", !matches!(url.path(), "" | "/"))?;

        let mut config = Self::new(table);
        let mut options = UrlOptions::of(&url);
        config.region = options.take("region")?;
        if let Some(prefix) = options.take("prefix")? {
            config.prefix = prefix;
        }
        options.finish("`region` or `prefix`")?;
        config.check()?;
        Ok(config)
    }

    /// Uses the table in this region instead of the region of the environment.
    #[must_use]
    pub fn with_region(self, region: impl Into<String>) -> Self {
        Self { region: Some(region.into()), ..self }
    }

    /// Starts every key with `prefix:` instead of `funcify:`. Fleets with different prefixes can
    /// share a table; they do not share records.
    #[must_use]
    pub fn with_prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// Sets the time limit of one request on an existing connection. The default is 200 ms; use
    /// more if the table is on another continent.
    #[must_use]
    pub fn with_attempt_timeout(self, limit: Duration) -> Self {
        Self { attempt_timeout: limit, ..self }
    }

    /// Checks a configuration, whether it was parsed or built in code.
    pub(crate) fn check(&self) -> Result<(), DynamoDbConfigError> {
        if !has_only(&self.table, 3..=255) {
            return Err(DynamoDbConfigError::Table { got: shorten(&self.table) });
        }
        if !has_only(&self.prefix, 1..=64) {
            return Err(DynamoDbConfigError::Prefix { got: shorten(&self.prefix) });
        }
        Ok(check_region(self.region.as_deref())?)
    }
}

/// Whether the text consists of that many of the characters that a table name may have.
fn has_only(text: &str, length: RangeInclusive<usize>) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    length.contains(&text.len()) && text.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_table_region_and_prefix() {
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
    fn an_invalid_url_is_refused_with_what_is_wrong() {
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
