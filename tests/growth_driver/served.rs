//! A server that answers every request with the same bytes.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Serves `body` with this status until the runtime ends, and returns the URL.
pub(super) fn serve(status: u16, kind: &str, body: String) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let listener = TcpListener::from_std(listener).unwrap();
    let answer = format!(
        "HTTP/1.1 {status} any\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer: Arc<[u8]> = answer.into_bytes().into();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, Arc::clone(&answer)));
        }
    });
    url
}

/// Answers whenever the client has sent something. The requests here are small.
async fn connection(mut stream: TcpStream, answer: Arc<[u8]>) {
    let mut request = vec![0; 1 << 16];
    while matches!(stream.read(&mut request).await, Ok(read) if read > 0) {
        if stream.write_all(&answer).await.is_err() {
            break;
        }
    }
}
