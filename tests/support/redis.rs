//! A Redis server that belongs to one test. The test may kill, freeze or restart it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::ports;
use super::process::Process;

#[derive(Debug)]
pub(crate) struct OwnRedis {
    address: SocketAddr,
    options: Vec<String>,
    process: Process,
}

impl OwnRedis {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With further options, as on redis-server's command line: `["--maxmemory", "2mb"]`.
    pub(crate) async fn start_with(options: &[&str]) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()));
        let options: Vec<_> = options.iter().map(ToString::to_string).collect();
        let process = serve(address, &options).await;
        Self { address, options, process }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Sends SIGKILL: connections are reset, new ones are refused, the data is gone.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Kills it if it is still running, and starts it without data on the same port.
    pub(crate) async fn restart(&mut self) {
        self.process.kill();
        self.process = serve(self.address, &self.options).await;
    }

    /// Sends SIGSTOP: connections stay open and new ones are accepted, but nothing answers.
    pub(crate) fn pause(&self) {
        self.process.pause();
    }

    pub(crate) fn resume(&self) {
        self.process.resume();
    }

    /// Sends one command over a connection of its own: see [`command`].
    pub(crate) async fn command(&self, words: &[&str]) -> io::Result<String> {
        command(self.address, words).await
    }
}

async fn serve(address: SocketAddr, options: &[String]) -> Process {
    let mut redis = Command::new("redis-server");
    redis.args(["--bind", "127.0.0.1", "--port", &address.port().to_string()]);
    redis.args(["--save", "", "--appendonly", "no"]).args(options);
    redis.current_dir(std::env::temp_dir());
    let mut process = Process::start(redis);

    let until = Instant::now() + Duration::from_secs(15);
    while !answers(address).await {
        assert!(process.is_running(), "redis-server ended: {}", process.stdout());
        assert!(Instant::now() < until, "redis-server does not answer: {}", process.stdout());
        sleep(Duration::from_millis(5)).await;
    }
    process
}

async fn answers(address: SocketAddr) -> bool {
    let ping = timeout(Duration::from_secs(1), command(address, &["PING"])).await;
    // With a password it answers that one is needed.
    matches!(ping, Ok(Ok(pong)) if pong == "+PONG" || pong.starts_with("-NOAUTH"))
}

/// Sends one command over a plain connection of its own. Returns the reply's line (`+OK`, `-ERR …`, `:1`), or the text of a
/// bulk string. It does not read arrays.
pub(crate) async fn command(address: SocketAddr, words: &[&str]) -> io::Result<String> {
    let mut connection = BufReader::new(TcpStream::connect(address).await?);
    connection.write_all(encode(words).as_bytes()).await?;
    let mut line = String::new();
    if connection.read_line(&mut line).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let line = line.trim_end();
    let Some(length) = line.strip_prefix('$').and_then(|length| length.parse::<usize>().ok())
    else {
        return Ok(line.to_owned());
    };
    let mut bulk = vec![0; length];
    connection.read_exact(&mut bulk).await?;
    Ok(String::from_utf8_lossy(&bulk).into_owned())
}

/// A command in the Redis protocol: an array of bulk strings.
pub(crate) fn encode(words: &[&str]) -> String {
    let bulks = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
    format!("*{}\r\n{}", words.len(), bulks.collect::<String>())
}
