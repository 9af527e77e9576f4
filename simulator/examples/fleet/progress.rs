//! A line on stderr with the progress of a long run.

use std::{
    io::{IsTerminal, Write},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The real time between two lines: on a terminal, and in a log.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_IN_A_LOG: Duration = Duration::from_secs(30);

/// A listener that prints how much time was simulated.
pub(crate) fn shown() -> impl Fn(&'static str, Duration) + Send + Sync + 'static {
    let last = Mutex::new(Instant::now());
    let on_terminal = std::io::stderr().is_terminal();
    let pause = if on_terminal { PAUSE } else { PAUSE_IN_A_LOG };
    move |scenario, simulated| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= pause {
            *last = Instant::now();
            let hours = simulated.as_secs_f64() / 3_600.0;
            if on_terminal {
                eprint!("\r{scenario}: {hours:.1} h simulated …");
                let _ = std::io::stderr().flush();
            } else {
                eprintln!("{scenario}: {hours:.1} h simulated");
            }
        }
    }
}

/// Clears the line.
pub(crate) fn clear() {
    if std::io::stderr().is_terminal() {
        eprint!("\r\u{1b}[K");
    }
}
