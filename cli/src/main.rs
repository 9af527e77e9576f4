//! The operator's command, which shows and changes the circuits, tokens and idempotency keys of a fleet.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command prints its answers")]

mod arguments;
mod ask;
mod circuit;
mod doctor;
mod error;
mod idempotency;
mod output;
mod show;
mod simulate;
mod stores;
mod swap;
mod time;
mod token;
mod watch;

use std::{io::ErrorKind, process::ExitCode};

use arguments::{Arguments, CircuitCommand, Command};
use clap::{CommandFactory, Parser};
use error::Failed;
use output::Output;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failed::Io(error).exit(),
    };
    // The simulator creates its own runtime for each scenario.
    let done = match arguments.command {
        Command::Simulate(simulated) => simulate::run(&simulated, arguments.json),
        command => runtime.block_on(run(command, arguments.backend.as_deref(), arguments.json)),
    };
    match done {
        Ok(code) => code,
        Err(failed) => failed.exit(),
    }
}

async fn run(command: Command, backend: Option<&str>, json: bool) -> Result<ExitCode, Failed> {
    let output = Output { json };
    match command {
        Command::Circuit { command: CircuitCommand::Watch { names, every } } => {
            let opened = stores::open(backend).await?;
            watch::run(stores::shared(&opened.circuits)?, names, every, output).await
        }
        Command::Circuit { command } => circuit::run(command, backend, output).await,
        Command::Token { command } => token::run(command, backend, output).await,
        Command::Idempotency { command } => idempotency::run(command, backend, output).await,
        Command::Doctor { create } => doctor::run(backend, create, output).await,
        Command::Completions { shell } => {
            let mut command = Arguments::command();
            clap_complete::generate(shell, &mut command, "funcify", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Man => {
            match clap_mangen::Man::new(Arguments::command()).render(&mut std::io::stdout()) {
                Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failed::Io(error)),
                _ => Ok(ExitCode::SUCCESS),
            }
        }
        Command::Simulate(_) => Ok(ExitCode::SUCCESS),
    }
}
