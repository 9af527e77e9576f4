//! A complete function, as you would deploy it.
//!
//! Uploads arrive in S3. Orders are read and placed over HTTP, and they also arrive in a queue. Every call to
//! the warehouse has the fleet's token and goes through the fleet's circuit breaker.
//!
//! ```sh
//! cargo run --example orders                     # the shipped events
//! cargo run --example orders -- event.json …     # events of your own
//! cargo run --example orders -- --json           # output for scripts
//! cargo run --example orders -- --idp URL        # the fleet's token from a real provider
//! cargo run --example orders -- --serve          # over HTTP on localhost, for curl and browser
//! ```
//!
//! If `AWS_LAMBDA_RUNTIME_API` is set, the same binary is the Lambda function.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command prints its results")]

mod app;
mod arguments;
mod events;
mod report;
mod set_up;
mod stand_in;

use std::{error::Error, io, process::ExitCode, time::Instant};

use arguments::Arguments;
use funcify::{ConfigError, error_chain, local};
use report::Report;
use set_up::{Function, LocalSetUp};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> ExitCode {
    let result = match std::env::var_os("AWS_LAMBDA_RUNTIME_API") {
        Some(_) => on_lambda().await,
        None => here().await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the output has closed the pipe, as in `orders --json | head -1`.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("orders: {}", error_chain(&*error));
            ExitCode::from(2)
        }
    }
}

/// Runs as a Lambda function. All settings come from the environment. `ORDERS_STAND_INS=1` replaces the
/// identity provider and the warehouse with stand-ins. Set `ORDERS_STREAM=1` for function URLs and REST APIs
/// that stream their responses.
async fn on_lambda() -> Result<(), Box<dyn Error + Send + Sync>> {
    let function = match std::env::var("ORDERS_STAND_INS").as_deref() {
        Ok("1") => LocalSetUp::set_up(None).await.map(|set_up| set_up.function),
        _ => Function::from_env().await,
    };
    // `run` reports this error to Lambda, so that the log of the function shows it.
    let pipeline = function.map(|function| function.pipeline).map_err(ConfigError::Start);
    match streams() {
        true => funcify::run_streaming(pipeline).await?,
        false => funcify::run(pipeline).await?,
    }
    Ok(())
}

fn streams() -> bool {
    std::env::var("ORDERS_STREAM").as_deref() == Ok("1")
}

/// Runs on this machine, with event files or as an HTTP server on localhost.
async fn here() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    if arguments.help {
        print!("{}", arguments::USAGE);
        return Ok(());
    }
    // Faults are found before the first event runs.
    let files = events::read(&arguments.files)?;
    let LocalSetUp { function, callers, notes } =
        LocalSetUp::set_up(arguments.idp.as_deref()).await?;
    for silent in function.silent_stores().await {
        eprintln!("orders: {silent}");
    }
    let report = Report::start(arguments.json, &notes)?;

    if let Some(address) = arguments.serve {
        let listener = TcpListener::bind(address).await?;
        println!("listening on http://{}", listener.local_addr()?);
        println!("a caller's token:\n{}", callers.token());
        local::log();
        let pipeline = function.pipeline;
        let serve = async {
            match streams() {
                true => local::serve_streaming(pipeline, listener).await,
                false => local::serve(pipeline, listener).await,
            }
        };
        return tokio::select! {
            served = serve => match served? {},
            pressed = tokio::signal::ctrl_c() => Ok(pressed?),
        };
    }
    let started = Instant::now();
    for file in files {
        let event = file.event(&callers);
        let processed = function.pipeline.process(event.into()).await;
        report.event(&file.name, &processed)?;
    }
    report.finish(&function, started.elapsed()).await?;
    Ok(())
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
