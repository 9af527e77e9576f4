//! Runs the command, and a Redis that belongs to one test.

use std::{
    env,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use funcify::register::WriteId;
use serde_json::Value;

/// What the command printed, and its exit code.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

pub(crate) fn funcify(arguments: &[&str]) -> Ran {
    with(arguments, &[])
}

/// With these variables and none of funcify's own. An empty value takes a variable away.
pub(crate) fn with(arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_funcify"));
    command.args(arguments).stdin(Stdio::null());
    for name in [
        "FUNCIFY_BACKEND",
        "FUNCIFY_TOKENS",
        "FUNCIFY_CIRCUITS",
        "FUNCIFY_IDEMPOTENCY",
        "FUNCIFY_SEAL_KEYS",
    ] {
        command.env_remove(name);
    }
    for (name, value) in variables {
        if value.is_empty() {
            command.env_remove(name)
        } else {
            command.env(name, value)
        };
    }
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A store of each kind, with a prefix or path of its own.
pub(crate) fn stores() -> Vec<String> {
    let tag = &WriteId::random().to_string()[..12];
    let server = |name: &str| {
        env::var(name)
            .unwrap_or_else(|_| panic!("{name} is not set; start the servers: run tests/run"))
    };
    let with_prefix = |url: String| {
        let mark = if url.contains('?') { '&' } else { '?' };
        format!("{url}{mark}prefix=cli-{tag}")
    };
    let ssm = server("FUNCIFY_TEST_SSM");
    let (path, options) = ssm.split_once('?').unwrap_or((&ssm, "tier=standard"));
    vec![
        patient(&with_prefix(server("FUNCIFY_TEST_REDIS"))),
        patient(&with_prefix(server("FUNCIFY_TEST_REDIS_CLUSTER"))),
        patient(&with_prefix(server("FUNCIFY_TEST_DYNAMODB"))),
        patient(&format!("{path}/cli-{tag}?{options}")),
    ]
}

/// The URL with the longest time limits: what is tested is not how fast a busy machine is.
pub(crate) fn patient(url: &str) -> String {
    let mark = if url.contains('?') { '&' } else { '?' };
    format!("{url}{mark}timeout=10000&connect_timeout=5000")
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) struct OwnRedis {
    pub(crate) port: u16,
    options: Vec<String>,
    process: Child,
}

impl OwnRedis {
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::at(free_port(), options.iter().map(ToString::to_string).collect())
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }

    /// Without its data, at the same port.
    pub(crate) fn restarted(mut self) -> Self {
        self.kill();
        Self::at(self.port, std::mem::take(&mut self.options))
    }

    fn at(port: u16, options: Vec<String>) -> Self {
        let port_text = port.to_string();
        let process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port_text, "--save", ""])
            .args(&options)
            .current_dir(env::temp_dir())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let own = Self { port, options, process };
        let until = Instant::now() + Duration::from_secs(15);
        let answers = |said: String| said.contains("PONG") || said.contains("NOAUTH");
        while !answers(own.command(&["PING"])) {
            assert!(Instant::now() < until, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
        own
    }

    pub(crate) fn command(&self, words: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(words)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        self.kill();
    }
}
