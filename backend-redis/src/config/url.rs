//! Parses the URL of a configuration. `RedisConfig::check` checks the result.

use funcify_core::engine::TimeLimits;
use percent_encoding::percent_decode_str;
use secrecy::SecretString;

use super::{Address, RedisConfig, RedisConfigError, option};
use crate::credentials::{IamOptions, IamService};

const DEFAULT_PORT: u16 = 6379;

impl RedisConfig {
    /// Parses `redis://[user:password@]host[:port][/database][?options]`.
    ///
    /// `rediss` is Redis over TLS. `redis-cluster` and `rediss-cluster` accept several hosts, separated by
    /// commas. `valkey`, `valkeys`, `valkey-cluster` and `valkeys-cluster` mean the same. The port is 6379
    /// unless given. The user, the password and the values of options are percent-decoded. The README lists
    /// the options.
    ///
    /// # Errors
    ///
    /// [`RedisConfigError`] names the part that is wrong, and never contains the password.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify_backend_redis::RedisConfig;
    ///
    /// let config = RedisConfig::parse("rediss-cluster://one.internal,two.internal:6380?prefix=shop")?;
    /// # let _ = config;
    /// # Ok::<(), funcify_backend_redis::RedisConfigError>(())
    /// ```
    pub fn parse(url: &str) -> Result<Self, RedisConfigError> {
        let config = parse(url)?;
        config.check()?;
        Ok(config)
    }
}

fn parse(url: &str) -> Result<RedisConfig, RedisConfigError> {
    let (scheme, rest) = url.split_once("://").ok_or(RedisConfigError::Form("got no scheme"))?;
    let (cluster, tls) = scheme_of(scheme)?;
    if rest.contains('#') {
        return Err(RedisConfigError::Form("got a `#` that is not percent-encoded"));
    }
    let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    // This comes before any error that names a part, because what looks like a host may be half of a
    // password.
    if database.contains('@') || options.contains('@') {
        return Err(RedisConfigError::Form(
            "got an `@` after the host that is not percent-encoded",
        ));
    }
    let (credentials, hosts) = match authority.rsplit_once('@') {
        Some((credentials, hosts)) => (Some(credentials), hosts),
        None => (None, authority),
    };
    let (options, iam) = options_of(options)?;
    let (user, password) = credentials_of(credentials.unwrap_or_default(), iam.is_some())?;
    let (first, more) = hosts_of(hosts)?;
    if !more.is_empty() && !cluster {
        return Err(RedisConfigError::Host {
            place: 2,
            why: "only a cluster (redis-cluster, rediss-cluster) has several hosts",
        });
    }
    let config = RedisConfig {
        first,
        more,
        cluster,
        tls,
        user,
        password,
        database: database_of(database)?,
        ..RedisConfig::new("", DEFAULT_PORT)
    };
    let config = with_options(config, options)?;
    match iam {
        Some(iam) => with_iam(config, iam),
        None => Ok(config),
    }
}

fn scheme_of(scheme: &str) -> Result<(bool, bool), RedisConfigError> {
    match scheme.to_ascii_lowercase().as_str() {
        "redis" | "valkey" => Ok((false, false)),
        "rediss" | "valkeys" => Ok((false, true)),
        "redis-cluster" | "valkey-cluster" => Ok((true, false)),
        "rediss-cluster" | "valkeys-cluster" => Ok((true, true)),
        other => Err(RedisConfigError::Scheme(other.chars().take(32).collect())),
    }
}

/// Returns the user and the password. With IAM there is only a user.
fn credentials_of(
    text: &str,
    is_iam: bool,
) -> Result<(Option<String>, Option<SecretString>), RedisConfigError> {
    if text.contains('@') {
        return Err(RedisConfigError::Credentials("write `@` in user or password as %40"));
    }
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let user =
        decoded(user).ok_or(RedisConfigError::Credentials("user is not percent-encoded UTF-8"))?;
    let password = decoded(password)
        .ok_or(RedisConfigError::Credentials("password is not percent-encoded UTF-8"))?;
    match (user.is_empty(), password.is_empty()) {
        (true, true) => Ok((None, None)),
        (false, true) if is_iam => Ok((Some(user), None)),
        (false, true) => Err(RedisConfigError::Credentials("user has no password")),
        (_, false) if is_iam => {
            Err(RedisConfigError::Credentials("password must be left out with the option iam"))
        }
        (_, false) => Ok(((!user.is_empty()).then_some(user), Some(SecretString::from(password)))),
    }
}

fn hosts_of(text: &str) -> Result<(Address, Vec<Address>), RedisConfigError> {
    let mut hosts = text
        .split(',')
        .zip(1..)
        .map(|(host, place)| host_of(host).map_err(|why| RedisConfigError::Host { place, why }));
    let first = hosts.next().unwrap_or(Err(RedisConfigError::Form("got no host")))?;
    Ok((first, hosts.collect::<Result<_, _>>()?))
}

fn host_of(text: &str) -> Result<Address, &'static str> {
    let (host, port) = match text.strip_prefix('[') {
        Some(text) => text
            .split_once(']')
            .filter(|(host, _)| host.contains(':'))
            .ok_or("expected an IPv6 address between [ and ]")?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    if port.is_empty() {
        return Ok(Address { host: host.to_owned(), port: DEFAULT_PORT });
    }
    let port = port.strip_prefix(':').and_then(number).ok_or("expected a port from 1 to 65535")?;
    Ok(Address { host: host.to_owned(), port })
}

/// Parses a number of digits only. `parse` would accept a sign.
fn number(text: &str) -> Option<u16> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn database_of(text: &str) -> Result<u16, RedisConfigError> {
    if text.is_empty() {
        return Ok(0);
    }
    number(text).ok_or(RedisConfigError::Database("a number as the database"))
}

/// The decoded options of IAM.
#[derive(Default)]
struct IamTexts {
    service: Option<String>,
    cache: Option<String>,
    region: Option<String>,
}

type Options<'a> = Vec<(&'a str, String)>;

fn options_of(text: &str) -> Result<(Options<'_>, Option<IamTexts>), RedisConfigError> {
    let (mut options, mut iam, mut seen) = (Vec::new(), IamTexts::default(), Vec::new());
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if seen.contains(&name) {
            return Err(option(name, "given twice"));
        }
        seen.push(name);
        let value = decoded(value).ok_or_else(|| option(name, "expected percent-encoded UTF-8"))?;
        match name {
            "iam" => iam.service = Some(value),
            "cache" => iam.cache = Some(value),
            "region" => iam.region = Some(value),
            _ => options.push((name, value)),
        }
    }
    if iam.service.is_some() {
        return Ok((options, Some(iam)));
    }
    match (iam.cache, iam.region) {
        (None, None) => Ok((options, None)),
        (Some(_), _) => Err(option("cache", "only used with the option iam")),
        (None, Some(_)) => Err(option("region", "only used with the option iam")),
    }
}

fn with_options(
    mut config: RedisConfig,
    options: Options<'_>,
) -> Result<RedisConfig, RedisConfigError> {
    let (mut certificate, mut key) = (None, None);
    let (mut timeout, mut connect_timeout) = (None, None);
    for (name, value) in options {
        config = match (name, value.as_str()) {
            ("prefix", prefix) => config.with_prefix(prefix),
            ("ca" | "cert" | "key", "") => return Err(option(name, "expected a path")),
            ("ca", path) => config.with_ca(path),
            ("insecure", "" | "true") => config.with_insecure(),
            ("insecure", "false") => config,
            ("insecure", _) => return Err(option(name, "expected true or false")),
            ("cert", _) => {
                certificate = Some(value);
                config
            }
            ("key", _) => {
                key = Some(value);
                config
            }
            (TimeLimits::TIMEOUT, _) => {
                timeout = Some(value);
                config
            }
            (TimeLimits::CONNECT_TIMEOUT, _) => {
                connect_timeout = Some(value);
                config
            }
            (unknown, _) => {
                let name: String = unknown.chars().take(32).collect();
                return Err(option(&name, UNKNOWN));
            }
        };
    }
    config.limits = TimeLimits::parse(timeout.as_deref(), connect_timeout.as_deref())?;
    match (certificate, key) {
        (None, None) => Ok(config),
        (Some(certificate), Some(key)) => Ok(config.with_client_certificate(certificate, key)),
        (Some(_), None) => Err(option("cert", "needs the option key with the private key's file")),
        (None, Some(_)) => Err(option("key", "needs the option cert with the certificate's file")),
    }
}

const UNKNOWN: &str = "unknown, expected prefix, insecure, ca, cert, key, timeout, connect_timeout, iam, \
                       cache or region";

const IAM_NAMES: &str = "expected elasticache, elasticache-serverless or memorydb";

fn with_iam(config: RedisConfig, texts: IamTexts) -> Result<RedisConfig, RedisConfigError> {
    let service = IamService::parse(texts.service.as_deref().unwrap_or_default())
        .ok_or_else(|| option("iam", IAM_NAMES))?;
    // The signature covers the name of the cache. AWS stores that name in lower case.
    let cache = texts.cache.unwrap_or_default().to_ascii_lowercase();
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !(1..=63).contains(&cache.len()) || !cache.bytes().all(legal) {
        return Err(option("cache", "expected the name of the cache, 1 to 63 of a-z 0-9 -"));
    }
    let user =
        config.user.clone().ok_or(RedisConfigError::Credentials("user of IAM is missing"))?;
    let iam = IamOptions { service, cache, region: texts.region, user };
    Ok(RedisConfig { iam: Some(iam), ..config })
}

/// Decodes percent-encoding. `None` if it is malformed or not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    parts.next();
    let hex = |part: &str| part.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !parts.all(hex) {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}
