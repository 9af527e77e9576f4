use std::{ops::RangeInclusive, time::Duration};

use funcify_backend_aws::{
    AwsConfigError, UrlOptions, check_region, parse_url, refuse_part, shorten,
};
use funcify_core::engine::TimeLimits;

use crate::{
    DynamoDbConfigError,
    table_key::{SortKey, TTL, TableKey, WRITE_ID},
    table_name::{TableName, has_only},
};

/// The form of the URL, for error messages.
const FORM: &str = "dynamodb://TABLE";

/// Which table to use, the prefix of its keys, and the time limits.
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
    pub(crate) key: TableKey,
    pub(crate) limits: TimeLimits,
    attempt_timeout: Option<Duration>,
}

impl DynamoDbConfig {
    /// Uses the table `table` in the region of the environment, with the partition key `pk`, without a sort
    /// key, and with the prefix `funcify`.
    ///
    /// `table` is a name of 3 to 255 of the characters `A-Z a-z 0-9 _ . -`, or the ARN of a table, which may
    /// be in another account.
    #[must_use]
    pub fn new(table: impl Into<String>) -> Self {
        Self {
            table: table.into(),
            region: None,
            prefix: "funcify".to_owned(),
            key: TableKey { partition: "pk".to_owned(), sort: None },
            limits: TimeLimits::default(),
            attempt_timeout: None,
        }
    }

    /// Parses `dynamodb://TABLE[?options]`, where `TABLE` is a name or an ARN. The README lists the
    /// options.
    ///
    /// # Errors
    ///
    /// [`DynamoDbConfigError`] names the part or the option that is wrong.
    pub fn parse(text: &str) -> Result<Self, DynamoDbConfigError> {
        let (text, arn) = TableName::split_arn(text);
        let url = parse_url(&text, "dynamodb", FORM)?;
        let no_host = url::ParseError::EmptyHost;
        let table = url.host_str().ok_or(AwsConfigError::Url { form: FORM, source: no_host })?;
        refuse_part(FORM, "port", url.port().is_some())?;
        refuse_part(FORM, "path", !matches!(url.path(), "" | "/"))?;

        let mut config = Self::new(arn.as_deref().unwrap_or(table));
        let mut options = UrlOptions::of(&url);
        config.region = options.take("region")?;
        if let Some(prefix) = options.take("prefix")? {
            config.prefix = prefix;
        }
        if let Some(name) = options.take("pk")? {
            config.key.partition = name;
        }
        config.key.sort = match (options.take("sk")?, options.take("sk_value")?) {
            (None, None) => None,
            (Some(name), Some(value)) => Some(SortKey { name, value }),
            (Some(_), None) => {
                return Err(DynamoDbConfigError::HalfASortKey { missing: "sk_value" });
            }
            (None, Some(_)) => return Err(DynamoDbConfigError::HalfASortKey { missing: "sk" }),
        };
        config.limits = options.take_limits()?;
        options
            .finish("`region`, `prefix`, `pk`, `sk`, `sk_value`, `timeout` or `connect_timeout`")?;
        config.check()?;
        Ok(config)
    }

    /// Uses the table in this region instead of the region of the environment. An ARN contains its region
    /// already.
    #[must_use]
    pub fn with_region(self, region: impl Into<String>) -> Self {
        Self { region: Some(region.into()), ..self }
    }

    /// Starts every key with `prefix:` instead of `funcify:`. Fleets with different prefixes can share a
    /// table without sharing records.
    ///
    /// The prefix is 1 to 64 of the characters `A-Z a-z 0-9 _ . -`.
    #[must_use]
    pub fn with_prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// Uses the attribute `name` as the partition key instead of `pk`. The attribute must be a string.
    ///
    /// The name is 1 to 255 of the characters `A-Z a-z 0-9 _ . -`, and not `write_id` or `ttl`.
    #[must_use]
    pub fn with_partition_key(self, name: impl Into<String>) -> Self {
        Self { key: TableKey { partition: name.into(), ..self.key }, ..self }
    }

    /// Uses a table with a sort key: the name of the attribute, and its value in every record. The attribute
    /// must be a string. The value has 1 to 1,024 bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify_backend_dynamodb::DynamoDbConfig;
    ///
    /// // A table that other records of your application share.
    /// let config = DynamoDbConfig::new("orders")
    ///     .with_partition_key("PK")
    ///     .with_sort_key("SK", "funcify");
    /// assert_eq!(config, DynamoDbConfig::parse("dynamodb://orders?pk=PK&sk=SK&sk_value=funcify")?);
    /// # Ok::<(), funcify_backend_dynamodb::DynamoDbConfigError>(())
    /// ```
    #[must_use]
    pub fn with_sort_key(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let sort = Some(SortKey { name: name.into(), value: value.into() });
        Self { key: TableKey { sort, ..self.key }, ..self }
    }

    /// Limits one operation with its retries: 100 ms to 10 s. The default is 500 ms. If the table is far
    /// away, set about seven times the round trip.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use funcify_backend_dynamodb::DynamoDbConfig;
    ///
    /// let config = DynamoDbConfig::new("fleet").with_timeout(Duration::from_millis(1_500));
    /// assert_eq!(config, DynamoDbConfig::parse("dynamodb://fleet?timeout=1500")?);
    /// # Ok::<(), funcify_backend_dynamodb::DynamoDbConfigError>(())
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

    /// Limits one request on an existing connection. The default is two fifths of the limit of an operation.
    /// DynamoDB answers within a few milliseconds, so the connection is probably broken by then, and there is
    /// time left for another attempt.
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
        self.attempt_timeout.unwrap_or(self.limits.timeout() * 2 / 5)
    }

    /// Returns the region of the table, or `None` for the region of the environment.
    pub(crate) fn region(&self) -> Option<&str> {
        self.region.as_deref().or_else(|| TableName::of(&self.table).region)
    }

    /// Checks a configuration that was parsed or built in code.
    pub(crate) fn check(&self) -> Result<(), DynamoDbConfigError> {
        let table = TableName::of(&self.table);
        if !table.is_valid() {
            return Err(DynamoDbConfigError::Table { got: shorten(&self.table) });
        }
        if let (Some(region), Some(of_the_arn)) = (&self.region, table.region)
            && region != of_the_arn
        {
            return Err(DynamoDbConfigError::Region { got: shorten(region) });
        }
        if !has_only(&self.prefix, 1..=64) {
            return Err(DynamoDbConfigError::Prefix { got: shorten(&self.prefix) });
        }
        self.check_key()?;
        self.limits.check().map_err(AwsConfigError::from)?;
        Ok(check_region(self.region())?)
    }

    fn check_key(&self) -> Result<(), DynamoDbConfigError> {
        /// The length of a key attribute's name ("Naming rules" in the guide of DynamoDB).
        const LENGTH: RangeInclusive<usize> = 1..=255;
        let sort = self.key.sort.as_ref();
        let taken = |name: &str| name == WRITE_ID || name == TTL;
        for name in [Some(&self.key.partition), sort.map(|sort| &sort.name)].into_iter().flatten() {
            if !has_only(name, LENGTH) || taken(name) {
                return Err(DynamoDbConfigError::Key { got: shorten(name) });
            }
        }
        match sort {
            Some(sort) if sort.name == self.key.partition => {
                Err(DynamoDbConfigError::Key { got: shorten(&sort.name) })
            }
            // A sort key has at most 1,024 bytes ("Quotas" in the guide of DynamoDB).
            Some(sort) if !(1..=1_024).contains(&sort.value.len()) => {
                Err(DynamoDbConfigError::SortValue)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_table_region_and_prefix() {
        let plain = DynamoDbConfig::new("fleet");
        let region = plain.clone().with_region("eu-central-1");
        let arn = DynamoDbConfig::new("arn:aws:dynamodb:eu-central-1:111122223333:table/fleet");
        assert_eq!(arn.region(), Some("eu-central-1"));
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
            ("dynamodb://fleet?pk=PK", DynamoDbConfig::new("fleet").with_partition_key("PK")),
            (
                "dynamodb://fleet?pk=PK&sk=SK&sk_value=fun%20cify",
                DynamoDbConfig::new("fleet")
                    .with_partition_key("PK")
                    .with_sort_key("SK", "fun cify"),
            ),
            (
                "dynamodb://fleet?timeout=2000&connect_timeout=900",
                DynamoDbConfig::new("fleet")
                    .with_timeout(Duration::from_secs(2))
                    .with_connect_timeout(Duration::from_millis(900)),
            ),
            ("dynamodb://arn:aws:dynamodb:eu-central-1:111122223333:table/fleet", arn.clone()),
            (
                "DynamoDB://arn:aws:dynamodb:eu-central-1:111122223333:table/fleet?region=eu-central-1",
                arn.with_region("eu-central-1"),
            ),
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
            ("dynamodb://fleet?sk=SK", "needs the option `sk_value` too"),
            ("dynamodb://fleet?sk_value=x", "needs the option `sk` too"),
            ("dynamodb://fleet?sk=SK&sk_value=", "1 to 1,024 bytes"),
            ("dynamodb://fleet?pk=", "key attribute"),
            ("dynamodb://fleet?pk=ttl", "\"ttl\""),
            ("dynamodb://fleet?pk=a%20b", "\"a b\""),
            ("dynamodb://fleet?pk=SK&sk=SK&sk_value=x", "\"SK\""),
            ("dynamodb://fleet?timeout=2s", "whole number of milliseconds"),
            ("dynamodb://fleet?connect_timeout=300", "raise `timeout` to 600"),
            ("dynamodb://arn:aws:dynamodb:eu-central-1:111122223333:table/", "table name"),
            ("dynamodb://arn:aws:dynamodb:eu-central-1:1:table/fleet", "table name"),
            ("dynamodb://arn:aws:s3:eu-central-1:111122223333:table/fleet", "table name"),
            (
                "dynamodb://arn:aws:dynamodb:eu-central-1:111122223333:table/fleet/index/a",
                "table name",
            ),
            ("dynamodb://arn:aws:dynamodb:EU:111122223333:table/fleet", "\"EU\""),
            (
                "dynamodb://arn:aws:dynamodb:eu-central-1:111122223333:table/fleet?region=us-east-1",
                "\"us-east-1\"",
            ),
        ];
        for (url, named) in cases {
            let refusal = DynamoDbConfig::parse(url).unwrap_err().to_string();
            assert!(refusal.contains(named), "{url}: {refusal}");
            assert!(!refusal.contains("canary"), "{url}: {refusal}");
        }
    }
}
