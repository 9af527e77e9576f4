//! The same pipeline on a developer's machine: on event files, and on localhost for a browser.
//!
//! # Examples
//!
//! ```
//! use axum::{Router, routing::get};
//! use funcify::{local, pipeline::{InvocationOutcome, Pipeline}, testing};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let router = Router::new().route("/hello", get(async || "hello"));
//! let pipeline = Pipeline::builder(()).http(router).build()?;
//!
//! let path = std::env::temp_dir().join("funcify-local-hello.json");
//! std::fs::write(&path, testing::rest_get("/hello").json())?;
//! let processed = local::event(&pipeline, local::read(&path)?).await;
//! assert_eq!(processed.outcome, InvocationOutcome::Handled);
//! assert_eq!(processed.status().unwrap(), 200);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod server;

use std::{
    fs,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use lambda_runtime::{Context, LambdaEvent};
use serde_json::value::RawValue;

pub use self::server::serve;
use crate::pipeline::{Pipeline, Processed, log_filter};

/// How long an event may take here: as long as a request by way of API Gateway.
const TIME: Duration = Duration::from_secs(29);

/// Why an event file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// The file cannot be read.
    #[error("the event file {} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no JSON.
    #[error("expected JSON in the event file {}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where it ends to be JSON.
        source: serde_json::Error,
    },
}

/// Reads an event file.
///
/// # Errors
///
/// [`LocalError`], naming the file.
pub fn read(path: impl AsRef<Path>) -> Result<Box<RawValue>, LocalError> {
    let path = path.as_ref();
    let text = fs::read_to_string(path)
        .map_err(|source| LocalError::Read { path: path.to_owned(), source })?;
    serde_json::from_str(&text).map_err(|source| LocalError::Json { path: path.to_owned(), source })
}

/// Runs one event as Lambda would, with half a minute until its deadline.
pub async fn event(pipeline: &Pipeline, event: Box<RawValue>) -> Processed {
    pipeline.process(LambdaEvent::new(event, context("local"))).await
}

/// Writes logs for people, to the standard error; `RUST_LOG` filters, `info` unless given.
///
/// Does nothing where the process has a `tracing` subscriber already.
pub fn log() {
    use tracing_subscriber::{fmt, layer::SubscriberExt, registry, util::SubscriberInitExt};

    let lines = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let installed = registry().with(log_filter()).with(lines).try_init();
    // Another subscriber is as good.
    let _ = installed;
}

fn context(request_id: &str) -> Context {
    let ends = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + TIME;
    let mut context = Context::default();
    context.request_id = request_id.to_owned();
    context.invoked_function_arn = "arn:aws:lambda:local:000000000000:function:local".to_owned();
    context.deadline = u64::try_from(ends.as_millis()).unwrap_or(u64::MAX);
    context
}
