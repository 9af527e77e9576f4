//! A child process with captured output. It is killed when the test drops it.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::time::sleep;

/// The command of a built example, which cargo puts beside this test.
pub(crate) fn example(name: &str) -> Command {
    let path = example_path(name);
    assert!(path.exists(), "{} is missing: run cargo build --examples", path.display());
    Command::new(path)
}

fn example_path(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    profile.join("examples").join(format!("{name}{}", env::consts::EXE_SUFFIX))
}

#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    stdout: Captured,
    stderr: Captured,
}

impl Process {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{} does not start: {error}", command.get_program().display())
            });
        let stdout = Captured::read(child.stdout.take().unwrap());
        let stderr = Captured::read(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far. It is complete after [`Process::ended`].
    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until stdout or stderr contains this text.
    pub(crate) async fn prints(&self, text: &str, within: Duration) {
        let until = Instant::now() + within;
        while !self.stdout().contains(text) && !self.stderr().contains(text) {
            assert!(Instant::now() < until, "no {text:?} within {within:?}; {}", self.output());
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until it has exited.
    pub(crate) async fn ended(&mut self, within: Duration) -> ExitStatus {
        let until = Instant::now() + within;
        while self.is_running() {
            assert!(Instant::now() < until, "still running after {within:?}; {}", self.output());
            sleep(Duration::from_millis(10)).await;
        }
        self.stdout.finish();
        self.stderr.finish();
        self.child.wait().unwrap()
    }

    /// Sends SIGKILL and waits until the process is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }

    /// Freezes it, as Lambda freezes a sandbox: its connections stay open, and it does not answer.
    pub(crate) fn pause(&self) {
        signal(self.id(), "STOP");
    }

    pub(crate) fn resume(&self) {
        signal(self.id(), "CONT");
    }

    fn output(&self) -> String {
        format!("it printed {:?} and {:?}", self.stdout(), self.stderr())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Uses the shell's `kill`, which every machine has and which needs no `unsafe`.
fn signal(id: u32, name: &str) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status().unwrap();
    assert!(status.success(), "kill -{name} {id}: {status}");
}

#[derive(Debug)]
struct Captured {
    text: Arc<Mutex<String>>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Captured {
    fn read(source: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let into = Arc::clone(&text);
        let reader = thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while matches!(source.read_until(b'\n', &mut line), Ok(read) if read > 0) {
                into.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        Self { text, reader: Some(reader) }
    }

    fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }
}
