//! A server with scripted replies, for errors that a real server rarely returns.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

#[derive(Debug)]
pub(super) struct Scripted {
    pub(super) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Scripted {
    /// Replies to each command, given as its words, with the line from `answer`, without the line
    /// end.
    pub(super) async fn start(
        answer: impl Fn(&[String], SocketAddr) -> String + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let answer = answer.clone();
                tokio::spawn(async move { converse(client, |words| answer(words, address)).await });
            }
        });
        Self { address, task }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn converse(client: TcpStream, answer: impl Fn(&[String]) -> String) -> Option<()> {
    let mut client = BufReader::new(client);
    loop {
        let count = number(&mut client, '*').await?;
        let mut words = Vec::new();
        for _ in 0..count {
            let mut word = vec![0; number(&mut client, '$').await? + 2];
            client.read_exact(&mut word).await.ok()?;
            word.truncate(word.len() - 2);
            words.push(String::from_utf8_lossy(&word).into_owned());
        }
        client.write_all(format!("{}\r\n", answer(&words)).as_bytes()).await.ok()?;
    }
}

async fn number(client: &mut BufReader<TcpStream>, mark: char) -> Option<usize> {
    let mut line = String::new();
    client.read_line(&mut line).await.ok()?;
    line.strip_prefix(mark)?.trim_end().parse().ok()
}
