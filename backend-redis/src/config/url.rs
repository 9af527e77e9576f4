//! The URL form of a configuration. What it says is checked elsewhere, once, for both forms.

use percent_encoding::percent_decode_str;
use secrecy::SecretString;

use super::{Address, RedisConfig, RedisConfigError, option};

const DEFAULT_PORT: u16 = 6379;

pub(super) fn parse(url: &str) -> Result<RedisConfig, RedisConfigError> {
    let (scheme, rest) = url.split_once("://").ok_or(RedisConfigError::Form("got no scheme"))?;
    let (cluster, tls) = scheme_of(scheme)?;
    if rest.contains('#') {
        return Err(RedisConfigError::Form("got a `#`, to be percent-encoded"));
    }
    let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    // Before anything is named in an error: what looks like a host here may be half a password.
    if database.contains('@') || options.contains('@') {
        return Err(RedisConfigError::Form("got an `@` after the host, to be percent-encoded"));
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
            why: "several hosts are a cluster (redis-cluster, rediss-cluster)",
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

/// Digits only: `parse` alone would take a sign.
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
                return Err(option(&name, "expected prefix, insecure or ca"));
            }
        };
    }
    Ok(config)
}

/// The text without its percent-encoding; `None` where that is malformed or not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    parts.next();
    let hex = |part: &str| part.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !parts.all(hex) {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    /// What a good URL says, in one line: nodes, then what differs from a plain one.
    fn said(url: &str) -> String {
        let config = match RedisConfig::parse(url) {
            Ok(config) => config,
            Err(error) => return format!("refused: {error}"),
        };
        let mut said = format!("{:?}", config.nodes().collect::<Vec<_>>());
        let mut add = |part: String| said.push_str(&format!(" {part}"));
        if config.cluster {
            add("cluster".into());
        }
        if config.tls {
            add("tls".into());
        }
        if let Some(user) = config.user {
            add(format!("user={user}"));
        }
        if let Some(password) = config.password {
            add(format!("password={}", password.expose_secret()));
        }
        if config.database != 0 {
            add(format!("db={}", config.database));
        }
        if config.prefix != "funcify" {
            add(format!("prefix={}", config.prefix));
        }
        if config.insecure {
            add("insecure".into());
        }
        if let Some(ca) = config.ca {
            add(format!("ca={}", ca.display()));
        }
        said
    }

    #[test]
    fn every_form_of_the_url_is_read() {
        let cases = [
            ("redis://localhost", "[localhost:6379]"),
            ("redis://localhost/", "[localhost:6379]"),
            ("REDIS://localhost", "[localhost:6379]"),
            ("redis://cache.example.com:6380", "[cache.example.com:6380]"),
            ("redis://10.0.0.7:6380/3", "[10.0.0.7:6380] db=3"),
            ("redis://[::1]", "[[::1]:6379]"),
            ("redis://[fd00::7]:7000/1", "[[fd00::7]:7000] db=1"),
            ("redis://localhost/0", "[localhost:6379]"),
            ("redis://localhost/65535", "[localhost:6379] db=65535"),
            ("redis://:pw@localhost", "[localhost:6379] password=pw"),
            ("redis://me:pw@127.0.0.1", "[127.0.0.1:6379] user=me password=pw"),
            ("redis://me:pw@[::1]", "[[::1]:6379] user=me password=pw"),
            ("redis://me:pw@127.8.8.8", "[127.8.8.8:6379] user=me password=pw"),
            ("redis://me:a:b@localhost", "[localhost:6379] user=me password=a:b"),
            ("redis://@localhost", "[localhost:6379]"),
            ("redis://m%40e:p%2F%3a%25@localhost", "[localhost:6379] user=m@e password=p/:%"),
            ("redis://me:%C3%A9@localhost", "[localhost:6379] user=me password=é"),
            ("redis://h?prefix=shop:eu", "[h:6379] prefix=shop:eu"),
            ("redis://h/?prefix=a%2Eb", "[h:6379] prefix=a.b"),
            ("redis://h?", "[h:6379]"),
            ("redis://h?insecure", "[h:6379] insecure"),
            ("redis://h?insecure=false", "[h:6379]"),
            ("redis://me:pw@h?insecure=true", "[h:6379] user=me password=pw insecure"),
            ("rediss://me:pw@h", "[h:6379] tls user=me password=pw"),
            ("rediss://h/2?prefix=p&ca=/etc/ca.pem", "[h:6379] tls db=2 prefix=p ca=/etc/ca.pem"),
            ("rediss://h?ca=/tmp/a%20b.pem", "[h:6379] tls ca=/tmp/a b.pem"),
            ("redis-cluster://h", "[h:6379] cluster"),
            ("redis-cluster://h/0", "[h:6379] cluster"),
            ("redis-cluster://a:1,b,[::1]:3", "[a:1, b:6379, [::1]:3] cluster"),
            ("rediss-cluster://:pw@a,b", "[a:6379, b:6379] cluster tls password=pw"),
        ];
        for (url, expected) in cases {
            assert_eq!(said(url), expected, "{url}");
        }
    }

    #[test]
    fn every_wrong_url_is_refused_with_what_is_wrong() {
        let cases = [
            ("", "got no scheme"),
            ("localhost:6379", "got no scheme"),
            ("redis:localhost", "got no scheme"),
            ("http://localhost", "as the scheme, got \"http\""),
            ("redis+unix://localhost", "as the scheme, got \"redis+unix\""),
            ("://localhost", "as the scheme, got \"\""),
            ("redis://", "a host is missing in place 1"),
            ("redis://:6379", "a host is missing in place 1"),
            ("redis://:pw@", "a host is missing in place 1"),
            ("redis:///3", "a host is missing in place 1"),
            ("redis-cluster://a,,c", "a host is missing in place 2"),
            ("redis-cluster://a,", "a host is missing in place 2"),
            ("redis://a,b", "several hosts are a cluster"),
            ("rediss://a,b", "several hosts are a cluster"),
            ("redis://h:0", "a port from 1 to 65535 in place 1"),
            ("redis://h:65536", "a port from 1 to 65535 in place 1"),
            ("redis://h:+6379", "a port from 1 to 65535 in place 1"),
            ("redis://h:", "a port from 1 to 65535 in place 1"),
            ("redis-cluster://a,b:x", "a port from 1 to 65535 in place 2"),
            ("redis://::1", "a port from 1 to 65535 in place 1"),
            ("redis://[::1", "an IPv6 address between [ and ]"),
            ("redis://[h]", "an IPv6 address between [ and ]"),
            ("redis://[::1]6379", "a port from 1 to 65535"),
            ("redis://h%20h", "a host name or an IP address"),
            ("redis://h h", "a host name or an IP address"),
            ("redis://h\u{0}", "a host name or an IP address"),
            ("redis://h/one", "a number as the database"),
            ("redis://h/-1", "a number as the database"),
            ("redis://h/1/2", "a number as the database"),
            ("redis://h/65536", "a number as the database"),
            ("redis-cluster://h/1", "no database but 0 in a cluster"),
            ("redis://me@localhost", "user has no password"),
            ("redis://me:@localhost", "user has no password"),
            ("redis://me:%zz@localhost", "password is not percent-encoded UTF-8"),
            ("redis://me:%f@localhost", "password is not percent-encoded UTF-8"),
            ("redis://me:%ff@localhost", "password is not percent-encoded UTF-8"),
            ("redis://%ff:pw@localhost", "user is not percent-encoded UTF-8"),
            ("redis://me:p@w@localhost", "must be %40"),
            ("redis://me:p/w@localhost", "an `@` after the host"),
            ("redis://me:p?w@localhost", "an `@` after the host"),
            ("redis://me:p#w@localhost", "got a `#`"),
            ("redis://h#fragment", "got a `#`"),
            ("redis://h?timeout=1", "option \"timeout\": expected prefix, insecure or ca"),
            ("redis://h?Prefix=a", "option \"Prefix\": expected prefix, insecure or ca"),
            ("redis://h?prefix", "option \"prefix\": expected 1 to 64"),
            ("redis://h?prefix=a%20b", "option \"prefix\": expected 1 to 64"),
            ("redis://h?prefix=%7Ba%7D", "option \"prefix\": expected 1 to 64"),
            ("redis://h?prefix=%", "option \"prefix\": expected percent-encoded UTF-8"),
            ("redis://h?prefix=a&prefix=b", "option \"prefix\": given twice"),
            ("redis://h?insecure=yes", "option \"insecure\": expected true or false"),
            ("rediss://h?insecure=true", "option \"insecure\": TLS (rediss) is never insecure"),
            ("rediss://h?ca=", "option \"ca\": expected a path"),
            ("redis://h?ca=/etc/ca.pem", "option \"ca\": only TLS (rediss)"),
            (
                "redis://:pw@h",
                "a password for \"h\" needs TLS (rediss) or the option insecure=true",
            ),
            ("redis://:pw@128.0.0.1", "a password for \"128.0.0.1\" needs TLS"),
            ("redis://:pw@localhost.example.com", "needs TLS (rediss)"),
            ("redis://:pw@h?insecure=false", "needs TLS (rediss)"),
            ("redis-cluster://:pw@localhost,h", "a password for \"h\" needs TLS"),
        ];
        for (url, expected) in cases {
            let said = said(url);
            assert!(said.starts_with("refused: ") && said.contains(expected), "{url}: {said}");
        }
    }

    #[test]
    fn no_error_and_no_debug_form_shows_a_password() {
        let places = [
            "redis://me:{}@h",
            "redis://me:{}",
            "redis://{}@h",
            "redis://me:{}@h:x",
            "redis://me:{}@",
            "redis://me:a/{}@h",
            "redis://me:a?{}@h",
            "redis://me:a#{}@h",
            "redis://me:{}/x@h",
            "redis://me:{}?x@h",
            "redis://me:%zz{}@h",
            "redis://me:{}@h?no=1",
            "redis://me:{}@h/x",
            "redis://me:{}@a,b",
            "redis://me:@{}@h",
            "redis-cluster://me:{}@h/1",
            "redis://me:a&{}=b@h",
            "redis://:{}@h",
            "rediss://me:{}@h",
            "redis://me:{}@localhost",
        ];
        for place in places {
            let url = place.replace("{}", "canary-5up3r");
            let shown = match RedisConfig::parse(&url) {
                Ok(config) => format!("{config:?}"),
                Err(error) => format!("{error} {error:?}"),
            };
            assert!(!shown.contains("canary"), "{place}: {shown}");
        }
    }

    #[test]
    fn what_is_built_in_code_is_checked_as_well() {
        let built = [
            RedisConfig::new("", 1),
            RedisConfig::new("h", 0),
            RedisConfig::new("h", 1).with_password("pw"),
            RedisConfig::new("h", 1).with_cluster().with_database(1),
            RedisConfig::new("h", 1).with_prefix(""),
            RedisConfig::new("h", 1).with_ca("/ca.pem"),
            RedisConfig::new("h", 1).with_tls().with_insecure(),
            RedisConfig::new("localhost", 1).with_cluster_node("h", 1).with_password("pw"),
        ];
        for config in built {
            assert!(config.check().is_err(), "{config:?}");
        }
        assert!(RedisConfig::new("h", 1).with_password("pw").with_tls().check().is_ok());
    }
}
