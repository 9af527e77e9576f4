//! Reads the body of a reply: up to a limit, and without leaving copies of a secret in memory.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use zeroize::{Zeroize, Zeroizing};

/// How often the task of a connection may run until it has closed it.
const CLOSING_STEPS: usize = 64;

/// How often to wait for it after that, and for how long: 20 ms in all. On a busy machine another thread
/// runs the task, and not yet. A token is granted once in its lifetime, so the wait costs nothing.
const CLOSING_WAITS: usize = 20;
const CLOSING_WAIT: Duration = Duration::from_millis(1);

/// Why the body of a reply could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The reply is larger than the limit.
    #[error("the reply is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The connection failed while the reply was read.
    #[error("the reply ended early")]
    Cut(#[source] reqwest::Error),
}

/// Reads the body of a reply, up to `limit` bytes. It stops reading as soon as the limit is passed.
pub(crate) async fn read_capped(
    reply: reqwest::Response,
    limit: usize,
) -> Result<Bytes, ReadError> {
    let mut body = BytesMut::new();
    each_chunk(reply, limit, |chunk| body.extend_from_slice(&chunk)).await?;
    Ok(body.freeze())
}

/// The same for a body with a secret in it, which is wiped from memory when it is dropped, as are the
/// buffers of the connection. The request must ask the server to close the connection: while it is open, it
/// keeps its buffer.
pub(crate) async fn read_secret(
    reply: reqwest::Response,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    let mut chunks = Vec::new();
    let read = each_chunk(reply, limit, |chunk| chunks.push(chunk)).await;
    let mut body = Zeroizing::new(Vec::with_capacity(chunks.iter().map(Bytes::len).sum()));
    chunks.iter().for_each(|chunk| body.extend_from_slice(chunk));
    wipe(chunks).await;
    read.map(|()| body)
}

/// Wipes the buffers of a connection, once it has let go of them. A buffer that it does not let go of in time
/// is left as it is.
async fn wipe(chunks: Vec<Bytes>) {
    let mut waits = 0;
    while !chunks.iter().all(Bytes::is_unique) && waits < CLOSING_STEPS + CLOSING_WAITS {
        if waits < CLOSING_STEPS {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(CLOSING_WAIT).await;
        }
        waits += 1;
    }
    for chunk in chunks {
        if let Ok(mut buffer) = chunk.try_into_mut() {
            buffer.zeroize();
        }
    }
}

async fn each_chunk(
    mut reply: reqwest::Response,
    limit: usize,
    mut take: impl FnMut(Bytes),
) -> Result<(), ReadError> {
    let cut = |error: reqwest::Error| ReadError::Cut(error.without_url());
    let mut length = 0_usize;
    while let Some(chunk) = reply.chunk().await.map_err(cut)? {
        length = length.saturating_add(chunk.len());
        if length > limit {
            return Err(ReadError::TooLarge { limit });
        }
        take(chunk);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a connection that needs this time has let go of its buffer when the buffer is to be wiped.
    async fn let_go_after(time: Duration) -> bool {
        let buffer = Bytes::from(b"canary".to_vec());
        let connection = tokio::spawn({
            let buffer = buffer.clone();
            async move {
                tokio::time::sleep(time).await;
                drop(buffer);
            }
        });
        tokio::task::yield_now().await;
        wipe(vec![buffer]).await;
        connection.is_finished()
    }

    #[tokio::test(start_paused = true)]
    async fn a_buffer_that_a_busy_connection_holds_for_some_time_is_wiped() {
        assert!(let_go_after(Duration::ZERO).await);
        assert!(let_go_after(Duration::from_millis(15)).await);
        // A connection that is never closed must not delay the token.
        let start = tokio::time::Instant::now();
        assert!(!let_go_after(Duration::from_secs(60)).await);
        assert!(start.elapsed() < Duration::from_millis(100), "{:?}", start.elapsed());
    }
}
