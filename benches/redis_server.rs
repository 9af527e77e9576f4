//! The Redis of a benchmark.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A Redis for the run: the one that `FUNCIFY_TEST_REDIS` names, or one of our own.
pub struct Server {
    url: String,
    own: Option<(Child, PathBuf)>,
}

impl Server {
    /// Starts one, unless one is named.
    ///
    /// # Errors
    ///
    /// A sentence that says what to do, if there is none to be had.
    pub fn start() -> Result<Self, String> {
        match std::env::var("FUNCIFY_TEST_REDIS") {
            Ok(url) => Ok(Self { url, own: None }),
            Err(_) => Self::own().map_err(|error| {
                format!(
                    "redis-server does not start ({error}): install it, or name a server by \
                     FUNCIFY_TEST_REDIS=redis://HOST:PORT"
                )
            }),
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    fn own() -> io::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let home = std::env::temp_dir().join(format!("funcify-bench-{}", std::process::id()));
        std::fs::create_dir_all(&home)?;
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &address.port().to_string()])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(&home)
            .stdout(Stdio::null())
            .spawn()?;
        // Made before the wait, so that it is ended however the wait ends.
        let server = Self { url: format!("redis://{address}"), own: Some((child, home)) };
        await_port(address)?;
        Ok(server)
    }
}

fn await_port(address: SocketAddr) -> io::Result<()> {
    let start = Instant::now();
    loop {
        match TcpStream::connect(address) {
            Ok(_) => return Ok(()),
            Err(error) if start.elapsed() > Duration::from_secs(5) => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((child, home)) = &mut self.own {
            // Nothing of it is needed any more, whether or not it ends in peace.
            let _ = child.kill();
            let _ = child.wait();
            let _ = std::fs::remove_dir_all(home);
        }
    }
}
