//! Runs a pipeline on your machine: with event files, or as an HTTP server on localhost.
//!
//! # Examples
//!
//! ```
//! use axum::{Router, routing::get};
//! use funcify::{local, pipeline::{InvocationOutcome, Pipeline}, testing::TestEvent};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let router = Router::new().route("/hello", get(async || "hello"));
//! let pipeline = Pipeline::builder(()).http(router).build()?;
//!
//! let path = std::env::temp_dir().join("funcify-local-hello.json");
//! std::fs::write(&path, TestEvent::get("/hello").to_string())?;
//! let processed = local::event(&pipeline, &path).await?;
//! assert_eq!(processed.outcome, InvocationOutcome::Handled);
//! assert_eq!(processed.status.unwrap(), 200);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod file;
mod invocation;
mod server;

use std::{
    io::{self, IsTerminal},
    path::Path,
};

pub use self::server::{serve, serve_streaming};
use crate::pipeline::{Pipeline, Processed, log};

/// Processes the event in a JSON file, as Lambda would. The invocation may take 29 seconds, as long as API
/// Gateway waits for a response.
///
/// For an event in memory, use [`TestEvent`](crate::testing::TestEvent) or [`Pipeline::process`].
///
/// # Errors
///
/// The error of reading the file, or [`io::ErrorKind::InvalidData`] if the file is not valid JSON. The
/// message names the file. An event that fails is not an error: see [`Processed::result`].
pub async fn event(pipeline: &Pipeline, path: impl AsRef<Path>) -> io::Result<Processed> {
    let event = file::read(path.as_ref())?;
    Ok(pipeline.process(invocation::of(event)).await)
}

/// Writes log lines as text to the standard error. `AWS_LAMBDA_LOG_LEVEL` is their level, by default `INFO`,
/// and `RUST_LOG` refines it by level and target. As with [`run`](crate::run()), lines of the HTTP and AWS
/// clients below `info` are left out, whatever `RUST_LOG` says.
///
/// If the process already has a `tracing` subscriber, `log` does nothing.
///
/// # Examples
///
/// ```no_run
/// funcify::local::log();
/// ```
pub fn log() {
    use tracing_subscriber::{fmt, layer::SubscriberExt, util::SubscriberInitExt};

    let lines = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let installed = log::subscriber().with(lines).try_init();
    // It fails only if there is another subscriber.
    let _ = installed;
}
