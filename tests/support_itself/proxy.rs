//! What each mode of the proxy does to a client and to the echo server behind it.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use funcify_test_support::on_virtual_time;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::support::proxy::{FaultProxy, Mode};

const SHORT: Duration = Duration::from_millis(150);

/// Sends back the bytes that it receives, and counts them.
struct Echo {
    address: SocketAddr,
    received: Arc<AtomicU64>,
    server: JoinHandle<()>,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&received);
        let server = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let counter = Arc::clone(&counter);
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                        counter.fetch_add(read as u64, Ordering::SeqCst);
                        if stream.write_all(&buffer[..read]).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, received, server }
    }

    async fn has_received(&self, bytes: u64) {
        while self.received.load(Ordering::SeqCst) < bytes {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// An echo server behind a proxy, and a connection that has already echoed five bytes.
async fn connected() -> (Echo, FaultProxy, TcpStream) {
    let echo = Echo::start().await;
    let proxy = FaultProxy::start(echo.address).await;
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(exchange(&mut client, b"hello").await.unwrap(), b"hello");
    (echo, proxy, client)
}

async fn exchange(client: &mut TcpStream, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    client.write_all(bytes).await?;
    let mut back = vec![0; bytes.len()];
    client.read_exact(&mut back).await?;
    Ok(back)
}

#[tokio::test]
async fn forwarded_bytes_are_counted() {
    let (_echo, proxy, mut client) = connected().await;
    exchange(&mut client, b"again").await.unwrap();

    assert_eq!((proxy.connections(), proxy.request_bytes(), proxy.response_bytes()), (1, 10, 10));
    assert_eq!(proxy.faults(), 0);
}

#[tokio::test]
async fn refuse_refuses_new_connections_and_resets_old_ones() {
    let (_echo, proxy, mut client) = connected().await;

    proxy.set(Mode::Refuse).await;
    let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(client.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);

    proxy.set(Mode::Pass).await;
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(exchange(&mut client, b"back").await.unwrap(), b"back");
}

#[tokio::test]
async fn hang_holds_old_and_new_connections_until_the_mode_changes() {
    let (echo, proxy, mut old) = connected().await;

    proxy.set(Mode::Hang).await;
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(timeout(SHORT, exchange(&mut new, b"new")).await.is_err());
    assert!(timeout(SHORT, exchange(&mut old, b"old")).await.is_err());
    assert_eq!(echo.received.load(Ordering::SeqCst), 5);
    assert_eq!(proxy.faults(), 2);

    proxy.set(Mode::Pass).await;
    let mut late = [0; 3];
    old.read_exact(&mut late).await.unwrap();
    assert_eq!(&late, b"old");
}

#[tokio::test]
async fn delay_delays_a_response() {
    let (_echo, proxy, mut client) = connected().await;
    proxy.set(Mode::Delay(SHORT)).await;

    let (_, took) = on_virtual_time(exchange(&mut client, b"slow")).await;

    assert!(took >= SHORT, "{took:?}");
    assert_eq!(proxy.faults(), 1);
}

#[tokio::test]
async fn trickle_limits_the_rate_of_a_response() {
    let (_echo, proxy, mut client) = connected().await;
    proxy.set(Mode::Trickle(20)).await;

    let (_, took) = on_virtual_time(exchange(&mut client, b"ten bytes!")).await;

    assert!(took >= Duration::from_millis(500), "{took:?}");
}

#[tokio::test]
async fn reset_after_lets_only_that_many_bytes_pass() {
    let (_echo, proxy, mut client) = connected().await;
    proxy.set(Mode::ResetAfter(7)).await;

    exchange(&mut client, b"five!").await.unwrap();
    client.write_all(b"five!").await.unwrap();
    let mut rest = Vec::new();
    let error = client.read_to_end(&mut rest).await.unwrap_err();

    assert_eq!((error.kind(), rest.as_slice()), (ErrorKind::ConnectionReset, b"fi".as_slice()));
    assert_eq!((proxy.response_bytes(), proxy.faults()), (12, 1));
}

#[tokio::test]
async fn half_close_ends_responses_while_requests_still_arrive() {
    let (echo, proxy, mut client) = connected().await;

    proxy.set(Mode::HalfClose).await;

    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    client.write_all(b"still").await.unwrap();
    timeout(Duration::from_secs(5), echo.has_received(10)).await.unwrap();
}

#[tokio::test]
async fn cut_response_lets_the_request_arrive() {
    let (echo, proxy, mut client) = connected().await;
    proxy.set(Mode::CutResponse).await;

    let error = exchange(&mut client, b"lost!").await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(echo.received.load(Ordering::SeqCst), 10);
    assert_eq!((proxy.response_bytes(), proxy.faults()), (5, 1));
}

#[tokio::test]
async fn cut_request_lets_nothing_arrive() {
    let (echo, proxy, mut client) = connected().await;
    proxy.set(Mode::CutRequest).await;

    let error = exchange(&mut client, b"lost!").await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    sleep(Duration::from_millis(50)).await;
    assert_eq!((echo.received.load(Ordering::SeqCst), proxy.request_bytes()), (5, 5));
}

#[tokio::test]
async fn once_affects_one_connection_and_lets_the_next_pass() {
    let (echo, proxy, mut client) = connected().await;
    proxy.once(Mode::CutResponse).await;

    exchange(&mut client, b"lost!").await.unwrap_err();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    exchange(&mut client, b"again").await.unwrap();

    assert_eq!(echo.received.load(Ordering::SeqCst), 15);
    assert_eq!((proxy.connections(), proxy.faults()), (2, 1));
}
