use std::{fmt, io, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use funcify_core::{
    StoreError,
    register::{Body, PollPolicy, RecordKey, Register, Swap, Version, Versioned, WriteId},
};
use redis::{Cmd, RedisFuture, Value, aio::ConnectionLike};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_rustls::TlsConnector;

use crate::{
    config::{RedisConfig, RedisConfigError, check_prefix},
    connect::{Login, answer},
    error::{Attempt, Failure},
    route::Route,
    wire::{self, SwapCommand},
};

/// The register in Redis.
///
/// Clones share one connection a node. It is made by the first operation, and made anew by the first
/// one after it died; there is no background task but the one that drives the socket.
///
/// Reads and swaps go to the master, one round trip each. A failover may lose the last writes that
/// were acknowledged, as always with Redis: versions stay unique, so a swap on something that was
/// lost is a conflict, and the fleet converges on what is there.
///
/// # Examples
///
/// ```
/// use funcify_backend_redis::{RedisBackend, RedisConfig};
///
/// // Nothing is contacted here.
/// let redis = RedisBackend::new(RedisConfig::parse("redis://localhost:6379?prefix=shop")?)?;
/// assert_eq!(format!("{redis:?}"), r#"RedisBackend { at: "localhost:6379", prefix: "shop" }"#);
/// # Ok::<(), funcify_backend_redis::RedisConfigError>(())
/// ```
#[derive(Clone)]
pub struct RedisBackend {
    client: Client,
    prefix: Arc<str>,
}

#[derive(Clone)]
enum Client {
    Ours(Arc<Route>),
    Given(Arc<dyn Given>),
}

impl RedisBackend {
    /// A register that connects by itself. No network I/O here; a file of `ca` is read.
    ///
    /// # Errors
    ///
    /// [`RedisConfigError`] if the configuration contradicts itself, or its certificate authority
    /// cannot be read.
    pub fn new(config: RedisConfig) -> Result<Self, RedisConfigError> {
        config.check()?;
        let login = Login {
            tls: config.tls.then(|| connector(config.ca.as_deref())).transpose()?,
            user: config.user.clone(),
            password: config.password.clone(),
            database: config.database,
        };
        let prefix = config.prefix.as_str().into();
        Ok(Self { client: Client::Ours(Arc::new(Route::new(config, login))), prefix })
    }

    /// A register over a connection that the user already has, under `prefix`.
    ///
    /// It must send each command at most once, else a swap may be answered with a conflict although
    /// it took effect: a `MultiplexedConnection` and a `ConnectionManager` do; a
    /// `ClusterConnection` needs `retries(0)`, and so does anything else that repeats commands.
    ///
    /// # Errors
    ///
    /// [`RedisConfigError::Option`] if the prefix is not 1 to 64 of `A-Z a-z 0-9 _ . : -`.
    pub fn with_client(
        connection: impl ConnectionLike + Clone + Send + Sync + 'static,
        prefix: &str,
    ) -> Result<Self, RedisConfigError> {
        check_prefix(prefix)?;
        Ok(Self { client: Client::Given(Arc::new(connection)), prefix: prefix.into() })
    }

    async fn ask(&self, key: &str, command: Cmd) -> Result<Value, Failure> {
        match &self.client {
            Client::Ours(route) => route.ask(key, &command).await,
            Client::Given(connection) => answer(connection.ask(command)).await,
        }
    }
}

#[async_trait]
impl Register for RedisBackend {
    async fn read(&self, key: &RecordKey) -> Result<Option<Versioned<Body>>, StoreError> {
        let key = wire::key_of(&self.prefix, key);
        match self.ask(&key, wire::read(&key)).await {
            Ok(answer) => wire::read_answer(&answer),
            Err(failure) if failure.is_wrong_type() => Ok(None),
            Err(failure) => Err(failure),
        }
        .map_err(|failure| failure.into_error(Attempt::Read))
    }

    async fn swap(
        &self,
        key: &RecordKey,
        expected: Option<Version>,
        id: WriteId,
        body: &Body,
        keep_for: Duration,
    ) -> Result<Swap<Body>, StoreError> {
        let key = wire::key_of(&self.prefix, key);
        let swap = SwapCommand { key: &key, expected, id, body, keep_for };
        let answer = match self.ask(&key, swap.by_hash()).await {
            Err(failure) if failure.is_unknown_script() => self.ask(&key, swap.whole()).await,
            answer => answer,
        };
        answer
            .and_then(|answer| wire::swap_answer(&answer, id))
            .map_err(|failure| failure.into_error(Attempt::Swap))
    }

    fn poll_policy(&self) -> PollPolicy {
        PollPolicy::default()
    }
}

impl fmt::Debug for RedisBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = match &self.client {
            Client::Ours(route) => {
                let nodes: Vec<_> = route.config().nodes().map(ToString::to_string).collect();
                nodes.join(",")
            }
            Client::Given(_) => "a connection of the user's".to_owned(),
        };
        f.debug_struct("RedisBackend").field("at", &at).field("prefix", &self.prefix).finish()
    }
}

/// A connection of the user's, whatever its type.
trait Given: Send + Sync {
    fn ask(&self, command: Cmd) -> RedisFuture<'static, Value>;
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Given for C {
    fn ask(&self, command: Cmd) -> RedisFuture<'static, Value> {
        let mut connection = self.clone();
        Box::pin(async move { connection.req_packed_command(&command).await })
    }
}

/// TLS with session resumption, over roots that are compiled in: nothing is searched at the start.
fn connector(ca: Option<&Path>) -> Result<TlsConnector, RedisConfigError> {
    let roots = match ca {
        Some(path) => roots_of(path)?,
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| RedisConfigError::Form("got no version of TLS to speak"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn roots_of(path: &Path) -> Result<RootCertStore, RedisConfigError> {
    let refuse = |source: Box<dyn std::error::Error + Send + Sync>| RedisConfigError::Ca {
        path: path.to_owned(),
        source,
    };
    let mut roots = RootCertStore::empty();
    let pem = std::fs::read(path).map_err(|error| refuse(error.into()))?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| refuse(error.into()))?;
        roots.add(certificate).map_err(|error| refuse(error.into()))?;
    }
    if roots.is_empty() {
        return Err(refuse(Box::new(io::Error::other("the file holds no certificate"))));
    }
    Ok(roots)
}
