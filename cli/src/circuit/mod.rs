//! `funcify circuit …`.

pub(crate) mod read;
pub(crate) mod steer;
pub(crate) mod text;

use std::process::ExitCode;

use serde_json::Value;

use crate::{arguments::CircuitCommand, error::Failed, output::Output, stores};
use funcify_core::circuit::OverrideMode;

pub(crate) async fn run(
    command: CircuitCommand,
    backend: Option<&str>,
    output: Output,
) -> Result<ExitCode, Failed> {
    let opened = stores::open(backend).await?;
    let store = stores::shared(&opened.circuits)?;
    match command {
        CircuitCommand::List { state } => {
            let circuits = read::all(store, state).await?;
            if output.json {
                let now = crate::time::now();
                println!("{}", Value::Array(circuits.iter().map(|c| text::json(c, now)).collect()));
            } else {
                text::list(&circuits, state.is_some());
            }
            Ok(ExitCode::SUCCESS)
        }
        CircuitCommand::Show { name, fail_if_open } => {
            let circuit = read::one(store, &name).await?;
            let now = crate::time::now();
            if output.json {
                println!("{}", text::json(&circuit, now));
            } else {
                text::full(&circuit, now);
            }
            Ok(ExitCode::from(u8::from(fail_if_open && circuit.refuses(now))))
        }
        CircuitCommand::Open(given) => {
            steer::overrides(store, given, OverrideMode::ForceOpen, output).await
        }
        CircuitCommand::Disable(given) => {
            steer::overrides(store, given, OverrideMode::Disabled, output).await
        }
        // `main` starts the live view.
        CircuitCommand::Watch { .. } => Ok(ExitCode::SUCCESS),
        CircuitCommand::Close { name, author } => steer::close(store, &name, author, output).await,
    }
}
