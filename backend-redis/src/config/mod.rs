#[cfg(test)]
mod tests;
mod url;

use std::{fmt, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use funcify_core::engine::{TimeLimitError, TimeLimits};
use secrecy::SecretString;

use crate::credentials::{IamOptions, PasswordSource};

/// The nodes of a Redis or Valkey, the credentials, the prefix of the keys, and the time limits.
///
/// [`RedisBackend::new`](crate::RedisBackend::new) reads the files that are named here. The first operation
/// opens a connection.
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
    pub(crate) client_certificate: Option<ClientCertificate>,
    pub(crate) limits: TimeLimits,
    pub(crate) iam: Option<IamOptions>,
    pub(crate) source: Option<Arc<dyn PasswordSource>>,
}

/// The files of a client's certificate and of its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientCertificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Why a configuration was refused. The message never contains the password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisConfigError {
    /// The text does not have the form of a URL.
    #[error("expected redis://[user:password@]host[:port][/database][?options], {0}")]
    Form(&'static str),
    /// The scheme is not one of Redis or Valkey.
    #[error(
        "expected redis, rediss, redis-cluster or rediss-cluster, or valkey in place of redis, as the scheme, \
         got {0:?}"
    )]
    Scheme(String),
    /// A host or its port is missing or invalid.
    #[error("host {place}: {why}")]
    Host {
        /// Which of the hosts it is, counted from 1.
        place: usize,
        /// What is wrong with the host.
        why: &'static str,
    },
    /// The user or the password is missing or invalid.
    #[error("credentials: {0}")]
    Credentials(&'static str),
    /// The database is not a number, or not 0 in a cluster.
    #[error("expected {0}")]
    Database(&'static str),
    /// An option is unknown, given twice, or has an invalid value.
    #[error("option {name:?}: {why}")]
    Option {
        /// The option.
        name: String,
        /// What is wrong with the option.
        why: &'static str,
    },
    /// The token, and the password if there is one, would be sent to another machine without TLS.
    #[error("{host:?} is another machine, which needs TLS (rediss) or the option insecure=true")]
    Insecure {
        /// The host, which is not this machine.
        host: String,
    },
    /// A file of `ca`, `cert` or `key` cannot be read, or does not contain the expected PEM text.
    #[error("no {what} could be read from {}", path.display())]
    File {
        /// What was expected in the file.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why the file cannot be used.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The private key in the file of `key` does not belong to the certificate in the file of `cert`.
    #[error("the key in {} cannot be used with the certificate in {}", key.display(), certificate.display())]
    ClientCertificate {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// Why the two cannot be used together.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A time limit is not a number, is out of its range, or does not fit the other limit.
    #[error(transparent)]
    TimeLimit(#[from] TimeLimitError),
}

impl RedisConfig {
    /// Uses a single node without TLS and without a password, with database 0 and the prefix `funcify`.
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
            client_certificate: None,
            limits: TimeLimits::default(),
            iam: None,
            source: None,
        }
    }

    /// Uses TLS. Trusts the certificate authorities of Mozilla, unless [`with_ca`](Self::with_ca) is called
    /// too.
    #[must_use]
    pub fn with_tls(self) -> Self {
        Self { tls: true, ..self }
    }

    /// Trusts the certificate authorities in this PEM file instead of those of Mozilla. Only with TLS.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify_backend_redis::RedisConfig;
    ///
    /// let config = RedisConfig::new("cache.internal", 6379).with_tls().with_ca("/var/task/ca.pem");
    /// # let _ = config;
    /// ```
    #[must_use]
    pub fn with_ca(self, path: impl Into<PathBuf>) -> Self {
        Self { ca: Some(path.into()), ..self }
    }

    /// Authenticates with a client certificate (mutual TLS): the PEM file of the certificate chain, and that
    /// of its private key. Only with TLS. The setting `tls-auth-clients yes` makes a server ask for it.
    #[must_use]
    pub fn with_client_certificate(
        self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        let files = ClientCertificate { certificate: certificate.into(), key: key.into() };
        Self { client_certificate: Some(files), ..self }
    }

    /// Uses a cluster, and adds another one of its nodes. One node is enough. Further nodes are used when it
    /// is down.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify_backend_redis::RedisConfig;
    ///
    /// let config = RedisConfig::new("one.internal", 6379)
    ///     .with_cluster_node("two.internal", 6379)
    ///     .with_tls();
    /// # let _ = config;
    /// ```
    #[must_use]
    pub fn with_cluster_node(mut self, host: impl Into<String>, port: u16) -> Self {
        self.more.push(Address { host: host.into(), port });
        self.with_cluster()
    }

    /// Uses a cluster, whose redirections are followed.
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

    /// Authenticates as a user whose password `source` makes anew for each connection. The documentation of
    /// [`PasswordSource`] has an example.
    #[must_use]
    pub fn with_password_source(
        self,
        user: impl Into<String>,
        source: impl PasswordSource,
    ) -> Self {
        Self { user: Some(user.into()), source: Some(Arc::new(source)), ..self }
    }

    /// Returns the IAM authentication that the URL asks for with `iam=…`. [`RedisBackend::new`] needs a
    /// [password source](Self::with_password_source) then. A store that `funcify` opens by its URL has one.
    ///
    /// [`RedisBackend::new`]: crate::RedisBackend::new
    #[must_use]
    pub fn iam(&self) -> Option<&IamOptions> {
        self.iam.as_ref()
    }

    /// Limits one operation with its retries: 100 ms to 10 s. The default is 500 ms. One attempt gets two
    /// fifths of it. If the server is far away, set about seven times the round trip.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use funcify_backend_redis::RedisConfig;
    ///
    /// let config = RedisConfig::new("localhost", 6379).with_timeout(Duration::from_millis(1_500));
    /// # let _ = config;
    /// ```
    #[must_use]
    pub fn with_timeout(self, limit: Duration) -> Self {
        Self { limits: self.limits.with_timeout(limit), ..self }
    }

    /// Limits the time to connect with TCP, TLS and the log-in: 20 ms to 5 s, and at most half of the limit
    /// of an operation, which is also the default. The first connection of a process may take twice as long,
    /// and at least 1 s.
    #[must_use]
    pub fn with_connect_timeout(self, limit: Duration) -> Self {
        Self { limits: self.limits.with_connect_timeout(limit), ..self }
    }

    /// Uses this database instead of database 0. A cluster has only database 0.
    #[must_use]
    pub fn with_database(self, database: u16) -> Self {
        Self { database, ..self }
    }

    /// Starts every key with `prefix:` instead of `funcify:`. The prefix is 1 to 64 of the characters
    /// `A-Z a-z 0-9 _ . : -`.
    #[must_use]
    pub fn with_prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// Allows sending the token, and the password if there is one, to another machine without TLS.
    #[must_use]
    pub fn with_insecure(self) -> Self {
        Self { insecure: true, ..self }
    }

    /// Checks a configuration that was parsed or built in code.
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
        if self.client_certificate.is_some() && !self.tls {
            return Err(option("cert", "only allowed with TLS (rediss)"));
        }
        if self.iam.is_some() && !self.tls {
            return Err(option("iam", "only allowed with TLS (rediss)"));
        }
        if self.source.is_some() && self.password.is_some() {
            return Err(RedisConfigError::Credentials("password is given twice"));
        }
        self.limits.check()?;
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

    /// Returns the node with this number, modulo the number of nodes.
    pub(crate) fn node(&self, turn: usize) -> &Address {
        let place = turn % (self.more.len() + 1);
        place.checked_sub(1).and_then(|place| self.more.get(place)).unwrap_or(&self.first)
    }

    /// Whether anything may be sent to `host`: with TLS, to this machine, or with `insecure`. A record may
    /// contain the token, so this does not depend on a password.
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

/// A host and a port. The host is a name or an IP address without brackets.
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
