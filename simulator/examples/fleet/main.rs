//! The fleet simulator as a command: what a fleet does when its dependency, its store, its identity
//! provider or one of its own instances fails.
//!
//! ```sh
//! cargo run --release --example fleet                          # every scenario, as a table
//! cargo run --release --example fleet -- --scenario outage --svg outage.svg
//! cargo run --release --example fleet -- --policy mine.toml --scenario partial-outage
//! cargo run --release --example fleet -- --json                # for scripts
//! ```

#![expect(clippy::print_stderr, reason = "a command prints its errors")]

mod arguments;
mod progress;
mod table;

use std::{
    error::Error,
    io::{self, ErrorKind, Write},
    process::ExitCode,
};

use arguments::Arguments;
use funcify::error_chain;
use funcify_simulator::{Report, Scenario, Settings, SimulatorError, run, svg};

fn main() -> ExitCode {
    match simulate() {
        Ok(()) => ExitCode::SUCCESS,
        // The reader, such as `head`, has closed the pipe.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fleet: {}", error_chain(&*error));
            ExitCode::from(2)
        }
    }
}

fn simulate() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let mut out = io::stdout();
    if arguments.help {
        write!(out, "{}", arguments::usage())?;
        return Ok(());
    }
    let settings = arguments.settings()?;
    let mut missed = 0;
    for scenario in &arguments.scenarios {
        let settings = settings.clone().with_progress(progress::shown());
        let report = on_virtual_time(*scenario, &settings)?;
        progress::clear();
        missed += report.figures.iter().filter(|figure| !figure.is_within_limit()).count();
        if arguments.json {
            writeln!(out, "{}", report.json())?;
        } else {
            table::print(&mut out, *scenario, &report)?;
        }
        if let Some(file) = &arguments.svg {
            std::fs::write(file, svg(&report))?;
        }
    }
    if !arguments.json {
        writeln!(out, "{}", table::verdict(missed))?;
    }
    Ok(())
}

/// Each scenario has a runtime of its own, so that its figures do not depend on the scenarios before it.
fn on_virtual_time(scenario: Scenario, settings: &Settings) -> Result<Report, Box<dyn Error>> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let report: Result<Report, SimulatorError> = runtime.block_on(run(scenario, settings));
    Ok(report?)
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
