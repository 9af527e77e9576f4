#[cfg(test)]
mod tests;
mod url;

use std::{fmt, net::IpAddr, path::PathBuf};

use secrecy::SecretString;

/// The nodes of a Redis, the credentials, and the prefix of the keys.
///
/// No file is read before [`RedisBackend::new`](crate::RedisBackend::new), and no connection is
/// opened before the first operation.
///
/// # Examples
///
/// ```
/// use funcify_backend_redis::RedisConfig;
///
/// let parsed = RedisConfig::parse("rediss://orders:s3cret@cache.example.com?prefix=shop")?;
/// let built = RedisConfig::new("cache.example.com", 6379)
///     .with_tls()
///     .with_user("orders", "s3cret")
///     .with_prefix("shop");
/// assert_eq!(format!("{parsed:?}"), format!("{built:?}"));
/// assert!(!format!("{parsed:?}").contains("s3cret"));
/// # Ok::<(), funcify_backend_redis::RedisConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RedisConfig {
    first: Address,
    more: Vec<Address>,
    pub(crate) cluster: bool,
    pub(crate) tls: bool,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<SecretString>,
    pub(crate) database: u16,
    pub(crate) prefix: String,
    pub(crate) insecure: bool,
    pub(crate) ca: Option<PathBuf>,
}

/// Why a configuration was refused. Never shows the password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisConfigError {
    /// The text is not a URL, or a part of it is not allowed.
    #[error("expected redis://[user:password@]host[:port][/database][?options], {0}")]
    Form(&'static str),
    /// The scheme is not one of Redis.
    #[error("expected redis, rediss, redis-cluster or rediss-cluster as the scheme, got {0:?}")]
    Scheme(String),
    /// A host or its port is missing or invalid.
    #[error("host {place}: {why}")]
    Host {
        /// Which of the hosts it is, counted from 1.
        place: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// User or password is invalid.
    #[error("the {0}")]
    Credentials(&'static str),
    /// The database is invalid.
    #[error("expected {0}")]
    Database(&'static str),
    /// An option is unknown, given twice, or has an invalid value.
    #[error("option {name:?}: {why}")]
    Option {
        /// The option.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The token, and the password if there is one, would be sent without TLS.
    #[error("{host:?} is another machine, which needs TLS (rediss) or the option insecure=true")]
    Insecure {
        /// The host, which is not this machine.
        host: String,
    },
    /// The file of the certificate authorities cannot be read as PEM.
    #[error("no certificates could be read from {}", path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl RedisConfig {
    /// Uses a single node without TLS, user or password, with the prefix `funcify`.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            first: Address { host: host.into(), port },
            more: Vec::new(),
            cluster: false,
            tls: false,
            user: None,
            password: None,
            database: 0,
            prefix: "funcify".to_owned(),
            insecure: false,
            ca: None,
        }
    }

    /// Uses TLS and trusts the certificate authorities of Mozilla.
    #[must_use]
    pub fn with_tls(self) -> Self {
        Self { tls: true, ..self }
    }

    /// Trusts the certificate authorities in this PEM file instead of those of Mozilla.
    #[must_use]
    pub fn with_ca(self, path: impl Into<PathBuf>) -> Self {
        Self { ca: Some(path.into()), ..self }
    }

    /// Uses a cluster, and adds one of its nodes. One node is enough; further nodes are used when
    /// it is down.
    #[must_use]
    pub fn with_cluster_node(mut self, host: impl Into<String>, port: u16) -> Self {
        self.more.push(Address { host: host.into(), port });
        self.with_cluster()
    }

    /// Uses a cluster: follows its redirections.
    #[must_use]
    pub fn with_cluster(self) -> Self {
        Self { cluster: true, ..self }
    }

    /// Authenticates as a user of the access control list (ACL).
    #[must_use]
    pub fn with_user(self, user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: Some(user.into()), ..self.with_password(password) }
    }

    /// Authenticates as the default user.
    #[must_use]
    pub fn with_password(self, password: impl Into<String>) -> Self {
        Self { password: Some(SecretString::from(password.into())), ..self }
    }

    /// Uses this database instead of database 0. A cluster has only database 0.
    #[must_use]
    pub fn with_database(self, database: u16) -> Self {
        Self { database, ..self }
    }

    /// Starts every key with `prefix:` instead of `funcify:`.
    #[must_use]
    pub fn with_prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// Allows sending the token, and the password if there is one, to another machine without TLS.
    #[must_use]
    pub fn with_insecure(self) -> Self {
        Self { insecure: true, ..self }
    }

    /// Checks a configuration, whether it was parsed or built in code.
    pub(crate) fn check(&self) -> Result<(), RedisConfigError> {
        for (place, node) in (1..).zip(self.nodes()) {
            node.check().map_err(|why| RedisConfigError::Host { place, why })?;
        }
        if self.cluster && self.database != 0 {
            return Err(RedisConfigError::Database("database 0 in a cluster"));
        }
        check_prefix(&self.prefix)?;
        if self.ca.is_some() && !self.tls {
            return Err(option("ca", "only allowed with TLS (rediss)"));
        }
        if self.insecure && self.tls {
            return Err(option("insecure", "only allowed without TLS (redis)"));
        }
        match self.nodes().find(|node| !self.may_reach(&node.host)) {
            Some(node) => Err(RedisConfigError::Insecure { host: node.host.clone() }),
            None => Ok(()),
        }
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Address> {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// The node for this turn, round robin.
    pub(crate) fn node(&self, turn: usize) -> &Address {
        let place = turn % (self.more.len() + 1);
        place.checked_sub(1).and_then(|place| self.more.get(place)).unwrap_or(&self.first)
    }

    /// Whether anything may be sent to `host`: encrypted, or to this machine. A record may contain the
    /// token, so this does not depend on a password.
    pub(crate) fn may_reach(&self, host: &str) -> bool {
        self.tls || self.insecure || is_loopback(host)
    }
}

fn option(name: &str, why: &'static str) -> RedisConfigError {
    RedisConfigError::Option { name: name.to_owned(), why }
}

pub(crate) fn check_prefix(prefix: &str) -> Result<(), RedisConfigError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    if (1..=64).contains(&prefix.len()) && prefix.bytes().all(legal) {
        Ok(())
    } else {
        Err(option("prefix", "expected 1 to 64 of the characters A-Z a-z 0-9 _ . : -"))
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A host, as a name or an IP address without brackets, and a port.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Address {
    fn check(&self) -> Result<(), &'static str> {
        let name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        // 253 is the longest name in DNS (RFC 1035, section 2.3.4).
        let legal = (1..=253).contains(&self.host.len()) && self.host.bytes().all(name);
        if !legal && self.host.parse::<IpAddr>().is_err() {
            return Err("expected a host name or an IP address");
        }
        if self.port == 0 { Err("expected a port from 1 to 65535") } else { Ok(()) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
