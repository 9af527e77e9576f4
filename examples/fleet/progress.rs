//! A line on stderr that says how far a long run is.

use std::{
    io::{IsTerminal, Write},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How often the line is written anew, in real time.
const PAUSE: Duration = Duration::from_secs(1);

/// Says how much time was simulated; nothing where nobody is there to read it.
pub(crate) fn shown() -> impl Fn(&'static str, Duration) + Send + Sync + 'static {
    let last = Mutex::new(Instant::now());
    let is_read = std::io::stderr().is_terminal();
    move |scenario, simulated| {
        if !is_read {
            return;
        }
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= PAUSE {
            *last = Instant::now();
            let hours = simulated.as_secs_f64() / 3_600.0;
            eprint!("\r{scenario}: {hours:.1} h simulated …");
            let _ = std::io::stderr().flush();
        }
    }
}

/// Takes the line away again.
pub(crate) fn clear() {
    if std::io::stderr().is_terminal() {
        eprint!("\r\u{1b}[K");
    }
}
