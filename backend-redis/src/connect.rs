//! The connection to one node: opened by the first command, and again after it was lost.

use std::{io, sync::Arc, time::Duration};

use funcify_core::{
    Timestamp,
    engine::{Clock, SystemClock},
};
use redis::{AsyncConnectionConfig, Cmd, RedisConnectionInfo, Value, aio::MultiplexedConnection};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    net::TcpStream,
    sync::Mutex,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use crate::{config::Address, error::Failure};

/// How long the first connection of a process may take, 1 s. A cold function has little processor
/// time for a TLS handshake, and its first operation has 2 s.
const FIRST_CONNECT: Duration = Duration::from_secs(1);

/// How long every later connection may take, 250 ms: half of the 500 ms of an operation, so that
/// time is left to use it.
const RECONNECT: Duration = Duration::from_millis(250);

/// How long a response may take, 200 ms. Redis responds within a millisecond, and the 500 ms of an
/// operation leave time for a second attempt.
const RESPONSE: Duration = Duration::from_millis(200);

/// How long a connection may be unused, 1 s, before the runtime checks it first. Lambda may have
/// frozen the process meanwhile, and then nobody noticed that the connection was closed.
const IDLE: Duration = Duration::from_secs(1);

/// TLS and credentials: the same for every node.
pub(crate) struct Login {
    pub(crate) tls: Option<TlsConnector>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<SecretString>,
    pub(crate) database: u16,
}

/// A node, with at most one connection that all commands share.
pub(crate) struct Node {
    address: Address,
    login: Arc<Login>,
    /// Held while connecting, so that concurrent commands do not open a second connection.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    link: Option<Arc<Link>>,
    used: Timestamp,
    has_connected: bool,
    failed: Option<(Instant, Failure)>,
}

/// A connection and the task that drives it.
struct Link {
    connection: MultiplexedConnection,
    driver: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Node {
    pub(crate) fn new(address: Address, login: Arc<Login>) -> Self {
        Self { address, login, state: Mutex::default() }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Sends `command` once. `asking` tells a cluster node that only this command is redirected to
    /// it.
    pub(crate) async fn send(&self, command: &Cmd, asking: bool) -> Result<Value, Failure> {
        let link = self.link().await?;
        let response = link.send(command, asking).await;
        if response.as_ref().is_err_and(Failure::ends_connection) {
            let mut state = self.state.lock().await;
            if state.link.as_ref().is_some_and(|current| Arc::ptr_eq(current, &link)) {
                state.link = None;
            }
        }
        response
    }

    /// The live connection, opened if there is none.
    async fn link(&self) -> Result<Arc<Link>, Failure> {
        let start = Instant::now();
        let mut state = self.state.lock().await;
        let now = SystemClock.now();
        if let Some(link) = &state.link {
            if now.since(state.used) > IDLE {
                // The runtime polls its sockets here. If the connection was closed while the
                // process was frozen, its driver ends now, and no command is sent on it.
                tokio::task::yield_now().await;
            }
            if !link.driver.is_finished() {
                let link = Arc::clone(link);
                state.used = now;
                return Ok(link);
            }
        }
        state.link = None;
        if let Some((at, failure)) = &state.failed
            && *at >= start
        {
            // Another command tried while this one waited for the lock.
            return Err(failure.clone());
        }
        match self.connect(state.has_connected).await {
            Ok(link) => {
                let link = Arc::new(link);
                *state = State {
                    link: Some(Arc::clone(&link)),
                    used: now,
                    has_connected: true,
                    failed: None,
                };
                Ok(link)
            }
            Err(failure) => {
                state.failed = Some((Instant::now(), failure.clone()));
                Err(failure)
            }
        }
    }

    async fn connect(&self, again: bool) -> Result<Link, Failure> {
        let limit = if again { RECONNECT } else { FIRST_CONNECT };
        let connecting = async {
            let link = self.open().await.map_err(|error| self.not_sent(error))?;
            self.log_in(&link).await?;
            Ok(link)
        };
        match timeout(limit, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(self.not_sent(io::ErrorKind::TimedOut.into())),
        }
    }

    async fn open(&self) -> io::Result<Link> {
        let Address { host, port } = &self.address;
        let stream = TcpStream::connect((host.as_str(), *port)).await?;
        stream.set_nodelay(true)?;
        match &self.login.tls {
            None => Link::over(stream).await,
            Some(tls) => {
                let name = ServerName::try_from(host.clone())
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
                Link::over(Box::new(tls.connect(name, stream).await?)).await
            }
        }
    }

    /// If this fails, the command that waits for the connection was not sent.
    async fn log_in(&self, link: &Link) -> Result<(), Failure> {
        let Login { user, password, database, .. } = &*self.login;
        let mut commands = Vec::new();
        if let Some(password) = password {
            let mut auth = redis::cmd("AUTH");
            auth.arg(user).arg(password.expose_secret());
            commands.push(auth);
        }
        if *database != 0 {
            let mut select = redis::cmd("SELECT");
            select.arg(*database);
            commands.push(select);
        }
        for command in commands {
            link.send(&command, false).await.map_err(|failure| match failure {
                Failure::Lost(error) => self.not_sent(io::Error::other(error)),
                Failure::Timeout => self.not_sent(io::ErrorKind::TimedOut.into()),
                other => other,
            })?;
        }
        Ok(())
    }

    fn not_sent(&self, error: io::Error) -> Failure {
        Failure::NotSent { node: self.address.to_string(), source: Arc::new(error) }
    }
}

impl Link {
    async fn over<S>(stream: S) -> io::Result<Self>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        // The client sends nothing of its own, and the time limit is set here.
        let info = RedisConnectionInfo::default().set_skip_set_lib_name();
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let (connection, driver) = MultiplexedConnection::new_with_config(&info, stream, config)
            .await
            .map_err(io::Error::other)?;
        Ok(Self { connection, driver: tokio::spawn(driver) })
    }

    async fn send(&self, command: &Cmd, asking: bool) -> Result<Value, Failure> {
        let mut connection = self.connection.clone();
        if !asking {
            return response(connection.send_packed_command(command)).await;
        }
        let mut both = redis::pipe();
        both.cmd("ASKING").add_command(command.clone());
        let responses = response(async {
            connection.send_packed_commands(&both, 0, 2).await.map(Value::Array)
        });
        match responses.await? {
            Value::Array(mut responses) => responses.pop().ok_or(Failure::Malformed),
            _ => Err(Failure::Malformed),
        }
    }
}

/// Waits for a response. An error that the server returned becomes a failure.
pub(crate) async fn response(
    sent: impl Future<Output = Result<Value, redis::RedisError>>,
) -> Result<Value, Failure> {
    match timeout(RESPONSE, sent).await {
        Ok(response) => response.and_then(Value::extract_error).map_err(Failure::of),
        Err(_) => Err(Failure::Timeout),
    }
}
