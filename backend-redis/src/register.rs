use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use funcify_core::{
    StoreError,
    engine::{MAX_RECORD_BYTES, TimeLimits, text_of},
    register::{
        Body, Corruption, PollPolicy, RecordKey, Register, Swap, Version, Versioned, WriteId,
    },
};
use redis::{Cmd, RedisFuture, Value, aio::ConnectionLike};
use zeroize::Zeroize;

use crate::{
    config::{RedisConfig, RedisConfigError, check_prefix},
    connect::{Login, response},
    error::{Attempt, Failure},
    route::Route,
    tls::connector,
    wire::{self, Named, SwapCommand},
};

/// Stores each record as a hash in Redis or Valkey.
///
/// Clones share one connection to each node. The first operation opens it, and the first operation
/// after it was lost opens it again. A background task drives each connection.
///
/// Reads and swaps go to the master and take one round trip each. A failover of Redis may lose the last
/// acknowledged writes. Versions stay unique, so a swap that expects a lost version conflicts, and the
/// fleet goes on with the record that is left.
///
/// # Examples
///
/// ```
/// use funcify_backend_redis::{RedisBackend, RedisConfig};
///
/// // This does not connect yet.
/// let redis = RedisBackend::new(RedisConfig::parse("redis://localhost:6379?prefix=shop")?)?;
/// assert_eq!(format!("{redis:?}"), r#"RedisBackend { at: "localhost:6379", prefix: "shop" }"#);
/// # Ok::<(), funcify_backend_redis::RedisConfigError>(())
/// ```
#[derive(Clone)]
pub struct RedisBackend {
    client: Client,
    prefix: Arc<str>,
    /// The keys whose record was not too large when it was last read.
    small: Arc<Mutex<HashSet<String>>>,
}

#[derive(Clone)]
pub(crate) enum Client {
    Ours(Arc<Route>),
    Custom(Arc<dyn Custom>),
}

impl RedisBackend {
    /// Creates a backend that opens its own connections. This reads the files of `ca`, `cert` and `key`, and
    /// does no network I/O.
    ///
    /// # Errors
    ///
    /// [`RedisConfigError`] if the configuration is invalid, if one of the files cannot be read, or if the
    /// URL asks for IAM and there is no [password source](RedisConfig::with_password_source).
    pub fn new(config: RedisConfig) -> Result<Self, RedisConfigError> {
        config.check()?;
        if config.iam.is_some() && config.source.is_none() {
            return Err(RedisConfigError::Credentials("option iam needs a source of passwords"));
        }
        let login = Login {
            tls: config.tls.then(|| connector(&config)).transpose()?,
            user: config.user.clone(),
            password: config.password.clone(),
            source: config.source.clone(),
            database: config.database,
            limits: config.limits,
        };
        let prefix = config.prefix.as_str().into();
        Ok(Self::over(Client::Ours(Arc::new(Route::new(config, login))), prefix))
    }

    /// Creates a backend with an existing connection. Keys begin with `prefix:`.
    ///
    /// The connection must send each command at most once. Otherwise a swap that was applied may be reported
    /// as a conflict. `MultiplexedConnection` and `ConnectionManager` send a command once. A
    /// `ClusterConnection`, and any other connection that repeats commands, needs `retries(0)`.
    ///
    /// # Errors
    ///
    /// [`RedisConfigError::Option`] if the prefix is not 1 to 64 of the characters `A-Z a-z 0-9 _ . : -`.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify_backend_redis::{RedisBackend, RedisConfigError};
    /// use redis::aio::MultiplexedConnection;
    ///
    /// fn backend(connection: MultiplexedConnection) -> Result<RedisBackend, RedisConfigError> {
    ///     RedisBackend::with_client(connection, "orders")
    /// }
    /// # let _ = backend;
    /// ```
    pub fn with_client(
        connection: impl ConnectionLike + Clone + Send + Sync + 'static,
        prefix: &str,
    ) -> Result<Self, RedisConfigError> {
        check_prefix(prefix)?;
        Ok(Self::over(Client::Custom(Arc::new(connection)), prefix.into()))
    }

    fn over(client: Client, prefix: Arc<str>) -> Self {
        Self { client, prefix, small: Arc::default() }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) async fn send(&self, key: &str, command: Cmd) -> Result<Value, Failure> {
        match &self.client {
            Client::Ours(route) => route.send(key, &command).await,
            Client::Custom(connection) => {
                response(&TimeLimits::default(), connection.send(command)).await
            }
        }
    }

    /// Runs the script by its hash, and by its text if the server does not know the hash.
    async fn run(&self, key: &str, command: impl Fn(Named) -> Cmd) -> Result<Value, Failure> {
        match self.send(key, command(Named::Hash)).await {
            Err(failure) if failure.is_unknown_script() => {
                Box::pin(self.send(key, command(Named::Text))).await
            }
            response => response,
        }
    }

    /// Reads a record. The script does not transfer a record that is too large. A plain command is faster, so
    /// it reads a record that was not too large the last time.
    async fn fetch(&self, key: &str) -> Result<Value, Failure> {
        if !self.small().contains(key) {
            return self.run(key, |named| wire::read(key, named)).await;
        }
        match self.send(key, wire::plain_read(key)).await {
            Err(failure) if failure.is_wrong_type() => Ok(Value::Nil),
            response => response,
        }
    }

    fn remember(&self, key: String, read: Option<&Versioned<Body>>) {
        let is_small = read.is_some_and(|read| read.corruption != Some(Corruption::TooLarge));
        let mut small = self.small();
        if !is_small {
            small.remove(&key);
        } else if !small.contains(&key) {
            small.insert(key);
        }
    }

    /// Locks the keys. A panic cannot leave half a key behind, so a poisoned lock is used as it is.
    fn small(&self) -> MutexGuard<'_, HashSet<String>> {
        self.small.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Register for RedisBackend {
    async fn read(&self, key: &RecordKey) -> Result<Option<Versioned<Body>>, StoreError> {
        let key = wire::key_of(&self.prefix, key);
        let response = self.fetch(&key).await;
        let read = response
            .and_then(|response| wire::decode_read(&Wiped(response).0))
            .map_err(|failure| failure.into_error(Attempt::Read))?;
        self.remember(key, read.as_ref());
        Ok(read)
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
        let record = text_of(body);
        if record.len() > MAX_RECORD_BYTES {
            return Err(Failure::TooLarge { size: record.len() }.into_error(Attempt::Swap));
        }
        let swap = SwapCommand { key: &key, expected, id, record: &record, keep_for };
        let response = self.run(&key, |named| swap.command(named)).await;
        response
            .and_then(|response| wire::decode_swap(&Wiped(response).0, id))
            .map_err(|failure| failure.into_error(Attempt::Swap))
    }

    fn poll_policy(&self) -> PollPolicy {
        match &self.client {
            Client::Ours(route) => {
                PollPolicy::default().with_timeout(route.config().limits.timeout())
            }
            Client::Custom(_) => PollPolicy::default(),
        }
    }
}

impl fmt::Debug for RedisBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = match &self.client {
            Client::Ours(route) => {
                let nodes: Vec<_> = route.config().nodes().map(ToString::to_string).collect();
                nodes.join(",")
            }
            Client::Custom(_) => "a custom connection".to_owned(),
        };
        f.debug_struct("RedisBackend").field("at", &at).field("prefix", &self.prefix).finish()
    }
}

/// A response, which is wiped from memory when it is dropped, because it may contain a token.
struct Wiped(Value);

impl Drop for Wiped {
    fn drop(&mut self) {
        let Value::Array(fields) = &mut self.0 else { return };
        for field in fields {
            if let Value::BulkString(bytes) = field {
                // `zeroize` wipes unused capacity at once, and what is used byte by byte.
                bytes.clear();
                bytes.zeroize();
            }
        }
    }
}

/// A user's own connection of any type.
pub(crate) trait Custom: Send + Sync {
    fn send(&self, command: Cmd) -> RedisFuture<'static, Value>;
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Custom for C {
    fn send(&self, command: Cmd) -> RedisFuture<'static, Value> {
        let mut connection = self.clone();
        Box::pin(async move { connection.req_packed_command(&command).await })
    }
}
