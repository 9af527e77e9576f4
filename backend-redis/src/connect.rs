//! The connection to one node. The first command opens it, and the first command after it was lost opens
//! it again.

use std::{io, sync::Arc, time::Duration};

use funcify_core::{
    Timestamp,
    engine::{Clock, SystemClock, TimeLimits},
};
use futures_util::FutureExt;
use redis::{AsyncConnectionConfig, Cmd, RedisConnectionInfo, Value, aio::MultiplexedConnection};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    net::TcpStream,
    sync::Mutex,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use crate::{
    config::Address,
    credentials::PasswordSource,
    error::{Failure, NoConnection},
};

/// The shortest time limit of a process's first connection, 1 s. A cold function has little processor time
/// for a TLS handshake, and its first operation may take 2 s.
const FIRST_CONNECT: Duration = Duration::from_secs(1);

/// The name of each connection, which the server lists in `CLIENT LIST`.
const CLIENT_NAME: &str = "funcify";

/// How long a connection may be unused, 1 s. After that it is checked before it is used, because Lambda may
/// have frozen the process, which then could not notice that the connection was closed.
const IDLE: Duration = Duration::from_secs(1);

/// TLS and credentials, which are the same for every node.
pub(crate) struct Login {
    pub(crate) tls: Option<TlsConnector>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<SecretString>,
    /// Makes the passwords. Used instead of a fixed password.
    pub(crate) source: Option<Arc<dyn PasswordSource>>,
    pub(crate) database: u16,
    pub(crate) limits: TimeLimits,
}

impl Login {
    async fn password(&self) -> io::Result<Option<SecretString>> {
        match &self.source {
            Some(source) => source.password().await.map(Some).map_err(io::Error::other),
            None => Ok(self.password.clone()),
        }
    }

    /// Whether a connection that was opened at `opened` is too old to be used.
    fn is_over(&self, opened: Timestamp, now: Timestamp) -> bool {
        self.source.as_ref().is_some_and(|source| now.since(opened) >= source.valid_for())
    }
}

/// A node, with at most one connection, which all commands share.
pub(crate) struct Node {
    address: Address,
    login: Arc<Login>,
    /// Locked while connecting, so that concurrent commands do not open a second connection.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    link: Option<Arc<Link>>,
    opened: Timestamp,
    used: Timestamp,
    has_connected: bool,
    failed: Option<(Instant, Failure)>,
}

/// A connection and the task that drives it.
struct Link {
    connection: MultiplexedConnection,
    driver: JoinHandle<()>,
    limits: TimeLimits,
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

    /// Sends `command` once. With `asking`, an `ASKING` before it tells a cluster node that only this command
    /// is redirected there.
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

    /// Returns the connection, and opens it if there is none.
    async fn link(&self) -> Result<Arc<Link>, Failure> {
        let (mut state, waited_from) = match self.state.try_lock() {
            Ok(state) => (state, None),
            Err(_) => {
                let waited_from = Instant::now();
                (self.state.lock().await, Some(waited_from))
            }
        };
        let now = SystemClock.now();
        if let Some(link) = &state.link {
            if now.since(state.used) > IDLE {
                // The runtime polls its sockets during this yield. If the connection was closed while
                // the process was frozen, its driver ends now, and no command is sent on it.
                tokio::task::yield_now().await;
            }
            if !link.driver.is_finished() && !self.login.is_over(state.opened, now) {
                let link = Arc::clone(link);
                state.used = now;
                return Ok(link);
            }
        }
        state.link = None;
        if let Some((at, failure)) = &state.failed
            && waited_from.is_some_and(|from| *at >= from)
        {
            // Another command failed to connect while this one waited for the lock.
            return Err(failure.clone());
        }
        // What is rare has memory of its own, so that each command needs only what a command needs.
        match Box::pin(self.connect(state.has_connected)).await {
            Ok(link) => {
                let link = Arc::new(link);
                *state = State {
                    link: Some(Arc::clone(&link)),
                    opened: now,
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
        let limits = &self.login.limits;
        let limit = limits.connect_timeout();
        let limit = if again { limit } else { FIRST_CONNECT.max(limit * 2) };
        let connecting = async {
            let link = self.open().await.map_err(|error| self.not_sent(error))?;
            self.log_in(&link).await?;
            Ok(link)
        };
        match timeout(limit, connecting).await {
            Ok(connected) => connected,
            Err(_) => {
                let late = NoConnection { after: limit, advice: limits.connect_advice() };
                Err(self.not_sent(io::Error::new(io::ErrorKind::TimedOut, late)))
            }
        }
    }

    async fn open(&self) -> io::Result<Link> {
        let Address { host, port } = &self.address;
        let stream = TcpStream::connect((host.as_str(), *port)).await?;
        stream.set_nodelay(true)?;
        match &self.login.tls {
            None => Link::over(stream, self.login.limits).await,
            Some(tls) => {
                let name = ServerName::try_from(host.clone())
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
                Link::over(Box::new(tls.connect(name, stream).await?), self.login.limits).await
            }
        }
    }

    /// Logs in and selects the database in one round trip, and names the connection. If this fails, the
    /// command that waits for the connection was not sent.
    async fn log_in(&self, link: &Link) -> Result<(), Failure> {
        let Login { user, database, .. } = &*self.login;
        let password = self.login.password().await.map_err(|error| self.not_sent(error))?;
        let auth = password.map(|password| {
            let mut auth = redis::cmd("AUTH");
            auth.arg(user).arg(password.expose_secret());
            auth
        });
        let select = (*database != 0).then(|| redis::cmd("SELECT").arg(*database).to_owned());
        // Both commands are sent, in this order, before the first response arrives.
        let (auth, select) = tokio::join!(
            biased;
            self.log_in_by(link, auth.as_ref()),
            self.log_in_by(link, select.as_ref()),
        );
        auth.and(select)?;
        link.name();
        Ok(())
    }

    async fn log_in_by(&self, link: &Link, command: Option<&Cmd>) -> Result<(), Failure> {
        let Some(command) = command else { return Ok(()) };
        // This has no time limit of its own, because the time to connect limits it.
        let sent = link.connection.clone();
        let response = async move { { sent }.send_packed_command(command).await };
        match answer(response.await) {
            Ok(_) => Ok(()),
            Err(Failure::Lost(error)) => Err(self.not_sent(io::Error::other(error))),
            Err(failure) => Err(failure),
        }
    }

    fn not_sent(&self, error: io::Error) -> Failure {
        Failure::NotSent { node: self.address.to_string(), source: Arc::new(error) }
    }
}

impl Link {
    async fn over<S>(stream: S, limits: TimeLimits) -> io::Result<Self>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        // The client must not send commands of its own, and must not limit times that this file limits.
        let info = RedisConnectionInfo::default().set_skip_set_lib_name();
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let (connection, driver) = MultiplexedConnection::new_with_config(&info, stream, config)
            .await
            .map_err(io::Error::other)?;
        Ok(Self { connection, driver: tokio::spawn(driver), limits })
    }

    /// Names the connection, for people who look at the server. Nobody waits for the response, because the
    /// user may lack the right to do so.
    fn name(&self) {
        let mut connection = self.connection.clone();
        tokio::spawn(async move {
            let name = redis::cmd("CLIENT").arg("SETNAME").arg(CLIENT_NAME).to_owned();
            let _ = connection.send_packed_command(&name).await;
        });
    }

    async fn send(&self, command: &Cmd, asking: bool) -> Result<Value, Failure> {
        if asking {
            return Box::pin(self.ask(command)).await;
        }
        let mut connection = self.connection.clone();
        response(&self.limits, connection.send_packed_command(command)).await
    }

    async fn ask(&self, command: &Cmd) -> Result<Value, Failure> {
        let mut connection = self.connection.clone();
        let mut both = redis::pipe();
        both.cmd("ASKING").add_command(command.clone());
        let responses = response(&self.limits, async {
            connection.send_packed_commands(&both, 0, 2).await.map(Value::Array)
        });
        match responses.await? {
            Value::Array(mut responses) => responses.pop().ok_or(Failure::Malformed),
            _ => Err(Failure::Malformed),
        }
    }
}

/// Waits for a response, at most for two fifths of the time of an operation. So there is time left for a
/// second attempt on a new connection. An error that the server returns becomes a failure.
pub(crate) fn response(
    limits: &TimeLimits,
    sent: impl Future<Output = Result<Value, redis::RedisError>>,
) -> impl Future<Output = Result<Value, Failure>> {
    let (after, advice) = (limits.timeout() * 2 / 5, limits.advice());
    // An async block would hold the command twice: as what it was given, and as what it awaits.
    timeout(after, sent).map(move |in_time| match in_time {
        Ok(response) => answer(response),
        Err(_) => Err(Failure::Timeout { after, advice }),
    })
}

fn answer(response: Result<Value, redis::RedisError>) -> Result<Value, Failure> {
    response.and_then(Value::extract_error).map_err(Failure::of)
}
