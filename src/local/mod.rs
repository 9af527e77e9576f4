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

/// Processes the event in a file of JSON as Lambda would. The invocation ends in 29 seconds.
///
/// If you have the event in memory, use [`TestEvent`](crate::testing::TestEvent) or
/// [`Pipeline::process`].
///
/// # Errors
///
/// If the file cannot be read, or with [`io::ErrorKind::InvalidData`] if it is invalid JSON. The error
/// names the file.
pub async fn event(pipeline: &Pipeline, path: impl AsRef<Path>) -> io::Result<Processed> {
    let event = file::read(path.as_ref())?;
    Ok(pipeline.process(invocation::of(event)).await)
}

/// Writes log lines for people to the standard error. `AWS_LAMBDA_LOG_LEVEL` is their level, by default
/// `INFO`, and `RUST_LOG` refines it by level and target. The HTTP and AWS clients log from `info` on whatever `RUST_LOG` says, as for
/// [`run`](crate::run()).
///
/// It does nothing if the process has a `tracing` subscriber already.
pub fn log() {
    use tracing_subscriber::{fmt, layer::SubscriberExt, util::SubscriberInitExt};

    let lines = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let installed = log::subscriber().with(lines).try_init();
    // It fails only if there is another subscriber.
    let _ = installed;
}
