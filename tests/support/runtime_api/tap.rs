//! A connection that keeps what it has read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::{Sent, Shared};

pub(super) struct Tap<'a> {
    stream: TcpStream,
    sent: Sent,
    shared: &'a Shared,
}

impl<'a> Tap<'a> {
    pub(super) fn new(stream: TcpStream, shared: &'a Shared) -> Self {
        let sent = Sent::default();
        shared.sent.lock().unwrap().push(Arc::clone(&sent));
        Self { stream, sent, shared }
    }
}

impl AsyncRead for Tap<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let mut sent = self.sent.lock().unwrap();
        sent.extend_from_slice(&buffer.filled()[before..]);
        if sent.len() as u64 > self.shared.cut_after.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        read
    }
}

impl AsyncWrite for Tap<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
