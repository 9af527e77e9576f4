use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing::{
    Level,
    subscriber::{DefaultGuard, set_default, set_global_default},
};

/// A log in memory. All clones write to the same log.
#[derive(Clone, Debug)]
pub struct LogCapture(Arc<Mutex<Vec<u8>>>);

impl LogCapture {
    /// Creates an empty log. Give its [`writer`](Self::writer) to a subscriber.
    ///
    /// This also installs an empty global subscriber, because `tracing` turns a log statement off for ever if
    /// there is no subscriber when the statement first runs.
    #[must_use]
    pub fn new() -> Self {
        let _ = set_global_default(tracing_subscriber::registry());
        Self(Arc::default())
    }

    /// Captures everything that this thread logs at any level, until the guard is dropped.
    #[must_use]
    pub fn start() -> (Self, DefaultGuard) {
        let log = Self::new();
        let lines = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_ansi(false)
            .with_writer(log.writer())
            .finish();
        (log, set_default(lines))
    }

    /// Returns a function that makes writers to this log, for a `tracing_subscriber` layer.
    pub fn writer(&self) -> impl Fn() -> Self + Send + Sync + use<> {
        let log = self.clone();
        move || log.clone()
    }

    /// Returns everything that was logged so far.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Returns everything that was logged so far, and empties the log.
    #[must_use]
    pub fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }

    /// Whether a line contains all of these parts.
    #[must_use]
    pub fn has_line(&self, parts: &[&str]) -> bool {
        self.text().lines().any(|line| parts.iter().all(|part| line.contains(part)))
    }
}

impl Default for LogCapture {
    fn default() -> Self {
        Self::new()
    }
}

impl io::Write for LogCapture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
