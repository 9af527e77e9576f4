//! One connection through the proxy, and what each mode does to it.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Mode, Setting, Traffic};

const PIECE: usize = 16 * 1024;

/// How the client's side of a connection ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    Reset,
}

pub(super) async fn relay(mut client: TcpStream, upstream: SocketAddr, traffic: Arc<Traffic>) {
    let Ok(mut server) = TcpStream::connect(upstream).await else {
        client.set_zero_linger().ok();
        return;
    };
    client.set_nodelay(true).ok();
    server.set_nodelay(true).ok();

    let born = traffic.setting.borrow().number;
    let mut setting = traffic.setting.subscribe();
    let end = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::select! {
            end = requests(from_client, to_server, &traffic, born) => end,
            end = responses(from_server, to_client, &traffic, born) => end,
            _ = setting.wait_for(|setting| setting.mode == Mode::Refuse) => End::Reset,
        }
    };
    if end == End::Reset {
        client.set_zero_linger().ok();
    }
}

async fn requests(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    traffic: &Traffic,
    born: u64,
) -> End {
    let mut setting = traffic.setting.subscribe();
    let mut buffer = vec![0; PIECE];
    loop {
        let piece = match from.read(&mut buffer).await {
            Ok(0) => {
                unless_hanging(&mut setting, traffic, born).await;
                to.shutdown().await.ok();
                return pending().await;
            }
            Ok(read) => &buffer[..read],
            Err(_) => return End::Closed,
        };
        let mode = unless_hanging(&mut setting, traffic, born).await;
        if mode == Mode::CutRequest && traffic.strikes(mode) {
            return End::Closed;
        }
        traffic.requests.fetch_add(piece.len() as u64, Ordering::SeqCst);
        if to.write_all(piece).await.is_err() {
            return End::Closed;
        }
    }
}

async fn responses(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    traffic: &Traffic,
    born: u64,
) -> End {
    let mut setting = traffic.setting.subscribe();
    let mut buffer = vec![0; PIECE];
    let mut passed = Passed::default();
    loop {
        let mode = setting.borrow_and_update().mode;
        if mode == Mode::HalfClose && traffic.strikes(mode) {
            to.shutdown().await.ok();
            return pending().await;
        }
        let read = tokio::select! {
            biased;
            Ok(()) = setting.changed() => continue,
            read = from.read(&mut buffer) => read,
        };
        let piece = match read {
            Ok(0) => {
                unless_hanging(&mut setting, traffic, born).await;
                return End::Closed;
            }
            Ok(read) => &buffer[..read],
            Err(_) => return End::Reset,
        };
        let sent = match unless_hanging(&mut setting, traffic, born).await {
            mode @ Mode::Delay(pause) => {
                traffic.strikes(mode);
                sleep(pause).await;
                write(&mut to, piece, traffic).await
            }
            mode @ Mode::Trickle(rate) => {
                traffic.strikes(mode);
                trickle(&mut to, piece, rate, traffic).await
            }
            mode @ Mode::ResetAfter(limit) => {
                let left = limit.saturating_sub(passed.since(setting.borrow().number));
                if piece.len() as u64 >= left && traffic.strikes(mode) {
                    write(&mut to, &piece[..left as usize], traffic).await;
                    return End::Reset;
                }
                passed.bytes += piece.len() as u64;
                write(&mut to, piece, traffic).await
            }
            mode @ Mode::CutResponse if traffic.strikes(mode) => return End::Closed,
            mode @ Mode::HalfClose if traffic.strikes(mode) => {
                to.shutdown().await.ok();
                return pending().await;
            }
            _ => write(&mut to, piece, traffic).await,
        };
        if !sent {
            return End::Closed;
        }
    }
}

/// The bytes forwarded under one setting.
#[derive(Default)]
struct Passed {
    setting: u64,
    bytes: u64,
}

impl Passed {
    fn since(&mut self, setting: u64) -> u64 {
        if self.setting != setting {
            *self = Self { setting, bytes: 0 };
        }
        self.bytes
    }
}

async fn write(to: &mut WriteHalf<'_>, piece: &[u8], traffic: &Traffic) -> bool {
    let written = to.write_all(piece).await.is_ok();
    if written {
        traffic.responses.fetch_add(piece.len() as u64, Ordering::SeqCst);
    }
    written
}

/// Up to twenty parts a second, each at least one byte. A change of mode lets the rest pass at once.
async fn trickle(to: &mut WriteHalf<'_>, piece: &[u8], rate: u32, traffic: &Traffic) -> bool {
    let sip = (rate / 20).max(1);
    let pause = Duration::from_secs(1) * sip / rate.max(1);
    for part in piece.chunks(sip as usize) {
        if traffic.setting.borrow().mode == Mode::Trickle(rate) {
            sleep(pause).await;
        }
        if !write(to, part, traffic).await {
            return false;
        }
    }
    true
}

/// The current mode. While it makes this connection hang, waits for the next one. `born` is the setting under which the
/// connection was opened.
async fn unless_hanging(
    setting: &mut watch::Receiver<Setting>,
    traffic: &Traffic,
    born: u64,
) -> Mode {
    let hangs = |setting: &Setting| match setting.mode {
        Mode::Hang => true,
        Mode::Vanish => born < setting.number,
        _ => false,
    };
    let now = *setting.borrow();
    if !hangs(&now) {
        return now.mode;
    }
    traffic.strikes(now.mode);
    let over = setting.wait_for(|setting| !hangs(setting)).await.map(|setting| setting.mode);
    over.unwrap_or(now.mode)
}

impl Traffic {
    /// Counts a fault, unless the mode was for one connection and has affected another.
    fn strikes(&self, mode: Mode) -> bool {
        let mut strikes = false;
        self.setting.send_if_modified(|setting| {
            strikes = setting.mode == mode;
            let over = strikes && setting.once;
            if over {
                *setting = Setting { mode: Mode::Pass, once: false, number: setting.number };
            }
            over
        });
        if strikes {
            self.faults.fetch_add(1, Ordering::SeqCst);
        }
        strikes
    }
}
