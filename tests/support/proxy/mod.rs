//! A TCP proxy between a client and a real server. The test chooses how it fails.

mod relay;

use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::ports;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Pass,
    /// Nothing listens: new connections are refused, and existing ones are reset.
    Refuse,
    /// Connections are accepted and stay open. No data moves in either direction.
    Hang,
    /// The connections that exist stay open, and no data moves on them any more. New ones pass. So does a NAT that has
    /// forgotten them, or a thaw after which they are dead.
    Vanish,
    /// Each part of a response arrives this much later.
    Delay(Duration),
    /// Responses arrive at this many bytes a second.
    Trickle(u32),
    /// A connection is reset after it has carried this many bytes of responses since the mode was set.
    ResetAfter(u64),
    /// The client reads the end of the stream, but its requests still arrive.
    HalfClose,
    /// The request arrives; instead of its response the client reads the end of the stream.
    CutResponse,
    /// The request does not arrive; the client reads the end of the stream.
    CutRequest,
}

/// It stops and closes all of its connections when it is dropped.
///
/// If the upstream does not accept connections, a client is accepted and then reset. [`Mode::Refuse`] refuses it.
#[derive(Debug)]
pub(crate) struct FaultProxy {
    address: SocketAddr,
    traffic: Arc<Traffic>,
    settings: mpsc::Sender<(Setting, oneshot::Sender<()>)>,
    acceptor: JoinHandle<()>,
}

impl FaultProxy {
    pub(crate) async fn start(upstream: SocketAddr) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()));
        let listener = TcpListener::bind(address).await.unwrap();
        let traffic = Arc::new(Traffic::default());
        let (settings, received) = mpsc::channel(1);
        let acceptor = Acceptor { address, upstream, traffic: Arc::clone(&traffic) };
        let acceptor = tokio::spawn(acceptor.run(listener, received));
        Self { address, traffic, settings, acceptor }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Applies the mode to every connection, old or new. It is in force when this returns.
    pub(crate) async fn set(&self, mode: Mode) {
        self.apply(mode, false).await;
    }

    /// Applies the mode to one connection only, the next that it affects. Then everything passes again. It takes only the
    /// modes that end a connection.
    pub(crate) async fn once(&self, mode: Mode) {
        let ends = matches!(
            mode,
            Mode::ResetAfter(_) | Mode::HalfClose | Mode::CutResponse | Mode::CutRequest
        );
        assert!(ends, "{mode:?} does not end a connection");
        self.apply(mode, true).await;
    }

    /// The number of connections accepted so far.
    pub(crate) fn connections(&self) -> u64 {
        self.traffic.connections.load(Ordering::SeqCst)
    }

    /// The number of bytes forwarded to the upstream.
    pub(crate) fn request_bytes(&self) -> u64 {
        self.traffic.requests.load(Ordering::SeqCst)
    }

    /// The number of bytes forwarded to clients.
    pub(crate) fn response_bytes(&self) -> u64 {
        self.traffic.responses.load(Ordering::SeqCst)
    }

    /// How often a fault has happened: a connection was ended, or data was held, delayed or slowed down. A test without one
    /// has tested nothing.
    pub(crate) fn faults(&self) -> u64 {
        self.traffic.faults.load(Ordering::SeqCst)
    }

    async fn apply(&self, mode: Mode, once: bool) {
        let number = self.traffic.settings.fetch_add(1, Ordering::SeqCst) + 1;
        let setting = Setting { mode, once, number };
        let (done, applied) = oneshot::channel();
        self.settings.send((setting, done)).await.unwrap();
        applied.await.unwrap();
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

#[derive(Clone, Copy, Debug)]
struct Setting {
    mode: Mode,
    once: bool,
    /// Distinguishes two settings of the same mode.
    number: u64,
}

/// What all connections share.
#[derive(Debug)]
struct Traffic {
    setting: watch::Sender<Setting>,
    settings: AtomicU64,
    connections: AtomicU64,
    requests: AtomicU64,
    responses: AtomicU64,
    faults: AtomicU64,
}

impl Default for Traffic {
    fn default() -> Self {
        let setting = watch::Sender::new(Setting { mode: Mode::Pass, once: false, number: 0 });
        let [settings, connections, requests, responses, faults] = Default::default();
        Self { setting, settings, connections, requests, responses, faults }
    }
}

struct Acceptor {
    address: SocketAddr,
    upstream: SocketAddr,
    traffic: Arc<Traffic>,
}

impl Acceptor {
    async fn run(
        self,
        first: TcpListener,
        mut settings: mpsc::Receiver<(Setting, oneshot::Sender<()>)>,
    ) {
        let mut listener = Some(first);
        let mut relays = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                received = settings.recv() => {
                    let Some((setting, done)) = received else { return };
                    if setting.mode == Mode::Refuse {
                        listener.take().into_iter().for_each(close);
                        self.traffic.setting.send_replace(setting);
                        while relays.join_next().await.is_some() {}
                    } else if listener.is_none() {
                        listener = Some(TcpListener::bind(self.address).await.unwrap());
                    }
                    self.traffic.setting.send_replace(setting);
                    done.send(()).ok();
                }
                client = accept(listener.as_ref()) => {
                    self.traffic.connections.fetch_add(1, Ordering::SeqCst);
                    relays.spawn(relay::relay(client, self.upstream, Arc::clone(&self.traffic)));
                }
                Some(_) = relays.join_next(), if !relays.is_empty() => {}
            }
        }
    }
}

/// Shuts the listener down before it is dropped, because a child process that another test is starting may hold a copy of
/// it for a moment.
fn close(listener: TcpListener) {
    if let Ok(listener) = listener.into_std() {
        std::net::TcpStream::from(OwnedFd::from(listener)).shutdown(Shutdown::Both).ok();
    }
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    match listener {
        Some(listener) => listener.accept().await.unwrap().0,
        None => std::future::pending().await,
    }
}
