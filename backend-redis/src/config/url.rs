//! Parses the URL of a configuration. `RedisConfig::check` validates the result.

use percent_encoding::percent_decode_str;
use secrecy::SecretString;

use super::{Address, RedisConfig, RedisConfigError, option};

const DEFAULT_PORT: u16 = 6379;

impl RedisConfig {
    /// Parses `redis://[user:password@]host[:port][/database][?prefix=…&insecure=true&ca=PATH]`.
    ///
    /// `rediss` is Redis over TLS; `redis-cluster` and `rediss-cluster` take any number of hosts,
    /// separated by commas. User, password and the values of options are percent-decoded.
    ///
    /// # Errors
    ///
    /// [`RedisConfigError`] names the part that is wrong, and never shows the password.
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
    // Checked before any error names a part: what looks like a host may be half of a password.
    if database.contains('@') || options.contains('@') {
        return Err(RedisConfigError::Form(
            "got an `@` after the host that is not percent-encoded",
        ));
    }
    let (credentials, hosts) = match authority.rsplit_once('@') {
        Some((credentials, hosts)) => (Some(credentials), hosts),
        None => (None, authority),
    };
    let (user, password) = credentials.map_or(Ok((None, None)), credentials_of)?;
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
    with_options(config, options)
}

fn scheme_of(scheme: &str) -> Result<(bool, bool), RedisConfigError> {
    match scheme.to_ascii_lowercase().as_str() {
        "redis" => Ok((false, false)),
        "rediss" => Ok((false, true)),
        "redis-cluster" => Ok((true, false)),
        "rediss-cluster" => Ok((true, true)),
        other => Err(RedisConfigError::Scheme(other.chars().take(32).collect())),
    }
}

fn credentials_of(text: &str) -> Result<(Option<String>, Option<SecretString>), RedisConfigError> {
    if text.contains('@') {
        return Err(RedisConfigError::Credentials("`@` in user or password must be %40"));
    }
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let user =
        decoded(user).ok_or(RedisConfigError::Credentials("user is not percent-encoded UTF-8"))?;
    let password = decoded(password)
        .ok_or(RedisConfigError::Credentials("password is not percent-encoded UTF-8"))?;
    match (user.is_empty(), password.is_empty()) {
        (true, true) => Ok((None, None)),
        (false, true) => Err(RedisConfigError::Credentials("user has no password")),
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

/// Digits only. `parse` alone would accept a sign.
fn number(text: &str) -> Option<u16> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn database_of(text: &str) -> Result<u16, RedisConfigError> {
    if text.is_empty() {
        return Ok(0);
    }
    number(text).ok_or(RedisConfigError::Database("a number as the database"))
}

fn with_options(mut config: RedisConfig, text: &str) -> Result<RedisConfig, RedisConfigError> {
    let mut seen = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if seen.contains(&name) {
            return Err(option(name, "given twice"));
        }
        seen.push(name);
        let value = decoded(value).ok_or_else(|| option(name, "expected percent-encoded UTF-8"))?;
        config = match (name, value.as_str()) {
            ("prefix", prefix) => config.with_prefix(prefix),
            ("ca", "") => return Err(option(name, "expected a path")),
            ("ca", path) => config.with_ca(path),
            ("insecure", "" | "true") => config.with_insecure(),
            ("insecure", "false") => config,
            ("insecure", _) => return Err(option(name, "expected true or false")),
            (unknown, _) => {
                let name: String = unknown.chars().take(32).collect();
                return Err(option(&name, "unknown, expected prefix, insecure or ca"));
            }
        };
    }
    Ok(config)
}

/// Decodes percent-encoding; `None` if it is malformed or not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    parts.next();
    let hex = |part: &str| part.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !parts.all(hex) {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}
