use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing::{
    Level,
    subscriber::{DefaultGuard, set_default, set_global_default},
};

/// A log in memory. Clones write to the same one.
#[derive(Clone, Debug)]
pub struct LogCapture(Arc<Mutex<Vec<u8>>>);

impl LogCapture {
    /// An empty log, to be given to a subscriber as its [`writer`](Self::writer).
    ///
    /// It also installs an empty global subscriber: `tracing` turns a line of code off for good if no subscriber
    /// exists when it first logs.
    #[must_use]
    pub fn new() -> Self {
        let _ = set_global_default(tracing_subscriber::registry());
        Self(Arc::default())
    }

    /// Captures everything that this thread logs, on every level, until the guard is dropped.
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

    /// Makes writers of this log, as a `tracing_subscriber` layer wants them.
    pub fn writer(&self) -> impl Fn() -> Self + Send + Sync + use<> {
        let log = self.clone();
        move || log.clone()
    }

    /// Everything logged so far.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Everything logged so far, which is forgotten.
    #[must_use]
    pub fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }

    /// Whether one line holds all of these parts.
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
