//! One node: a connection to it, made when it is first needed and made anew when it has died.

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

/// How long the first connection of a process may take, 1 s: a cold function has little processor
/// time for a TLS handshake, and its first operation has two seconds.
const FIRST_CONNECT: Duration = Duration::from_secs(1);

/// The same for every later one, 250 ms: within one operation, with time left to use it.
const RECONNECT: Duration = Duration::from_millis(250);

/// How long an answer may take, 200 ms: within one operation, with time left for a second attempt.
const ANSWER: Duration = Duration::from_millis(200);

/// After so long without use the connection may have ended unseen: the process may have been frozen.
const IDLE: Duration = Duration::from_secs(1);

/// Who one is to the server, and how to speak to it: the same for every node.
pub(crate) struct Login {
    pub(crate) tls: Option<TlsConnector>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<SecretString>,
    pub(crate) database: u16,
}

/// A server, with at most one connection that all share.
pub(crate) struct Node {
    address: Address,
    login: Arc<Login>,
    /// Held while connecting: the others would only make the same connection again.
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

    /// Sends `command` once; `asking` tells a cluster node that it was sent here for this once.
    pub(crate) async fn ask(&self, command: &Cmd, asking: bool) -> Result<Value, Failure> {
        let link = self.link().await?;
        let answer = link.ask(command, asking).await;
        if answer.as_ref().is_err_and(Failure::ends_connection) {
            let mut state = self.state.lock().await;
            if state.link.as_ref().is_some_and(|current| Arc::ptr_eq(current, &link)) {
                state.link = None;
            }
        }
        answer
    }

    /// The connection, made if there is none that lives.
    async fn link(&self) -> Result<Arc<Link>, Failure> {
        let asked = Instant::now();
        let mut state = self.state.lock().await;
        let now = SystemClock.now();
        if let Some(link) = &state.link {
            if now.since(state.used) > IDLE {
                // Lets the runtime look at its sockets first: one that was closed while the process
                // was frozen ends its driver now, and nothing is sent into it.
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
            && *at >= asked
        {
            // Someone tried while we waited for the lock.
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

    /// Whatever fails here, the command that waits for it was not sent.
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
            link.ask(&command, false).await.map_err(|failure| match failure {
                Failure::Lost(error) => self.not_sent(io::Error::other(error)),
                Failure::Silent => self.not_sent(io::ErrorKind::TimedOut.into()),
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
        // Bare: it sends nothing of its own, and its answers are timed here.
        let info = RedisConnectionInfo::default().set_skip_set_lib_name();
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let (connection, driver) = MultiplexedConnection::new_with_config(&info, stream, config)
            .await
            .map_err(io::Error::other)?;
        Ok(Self { connection, driver: tokio::spawn(driver) })
    }

    async fn ask(&self, command: &Cmd, asking: bool) -> Result<Value, Failure> {
        let mut connection = self.connection.clone();
        if !asking {
            return answer(connection.send_packed_command(command)).await;
        }
        let mut both = redis::pipe();
        both.cmd("ASKING").add_command(command.clone());
        let answers =
            answer(async { connection.send_packed_commands(&both, 0, 2).await.map(Value::Array) });
        match answers.await? {
            Value::Array(mut answers) => answers.pop().ok_or(Failure::Garbled),
            _ => Err(Failure::Garbled),
        }
    }
}

/// Waits for an answer, and takes a refusal out of it.
pub(crate) async fn answer(
    sent: impl Future<Output = Result<Value, redis::RedisError>>,
) -> Result<Value, Failure> {
    match timeout(ANSWER, sent).await {
        Ok(answer) => answer.and_then(Value::extract_error).map_err(Failure::of),
        Err(_) => Err(Failure::Silent),
    }
}
