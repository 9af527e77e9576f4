use std::{env, io, panic};

use http::uri::Authority;
use lambda_runtime::Runtime;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use crate::pipeline::json_lines::JsonLines;
use crate::pipeline::{Pipeline, Streaming};

/// Why a function does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// This process was not started by Lambda.
    #[error(
        "AWS_LAMBDA_RUNTIME_API is not set: this process does not run on Lambda; \
         `funcify::local` runs a pipeline elsewhere"
    )]
    NotOnLambda,
    /// What Lambda sets for every function is missing, or is something else.
    #[error("expected {expected} in {name}, which Lambda sets for every function")]
    Environment {
        /// The variable.
        name: &'static str,
        /// What it should hold.
        expected: &'static str,
    },
    /// The runtime ended.
    #[error("the Lambda runtime ended")]
    Runtime(#[source] lambda_runtime::Error),
}

/// Runs the pipeline as a Lambda function, until Lambda ends the process.
///
/// Installs a `tracing` subscriber that writes JSON lines to the standard output, unless the
/// process has one; `RUST_LOG` filters, `info` unless given. A panic is logged with its place and
/// without its payload.
///
/// # Errors
///
/// [`RunError::NotOnLambda`] if `AWS_LAMBDA_RUNTIME_API` is missing, [`RunError::Environment`] if
/// something else is that Lambda sets; [`RunError::Runtime`] if the Runtime API does not answer.
///
/// # Examples
///
/// ```
/// use funcify::pipeline::{Pipeline, RunError};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let pipeline = Pipeline::builder(()).build()?;
/// let result = funcify::run(pipeline).await;
/// assert!(matches!(result, Err(RunError::NotOnLambda)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub async fn run(pipeline: Pipeline) -> Result<(), RunError> {
    begin()?;
    // Without the runtime's own tracing layer: the span of an invocation is the pipeline's.
    Runtime::new(pipeline).run_concurrent().await.map_err(RunError::Runtime)
}

/// The same for a function URL that streams (`InvokeMode: RESPONSE_STREAM`): answers go out as they
/// come, of any size.
///
/// # Errors
///
/// As [`run`].
pub async fn run_streaming(pipeline: Pipeline) -> Result<(), RunError> {
    begin()?;
    let runtime = Runtime::new(Streaming::new(pipeline));
    runtime.run_concurrent().await.map_err(RunError::Runtime)
}

fn begin() -> Result<(), RunError> {
    const API: &str = "AWS_LAMBDA_RUNTIME_API";

    if env::var_os(API).is_none() {
        return Err(RunError::NotOnLambda);
    }
    // The runtime would panic.
    let is_address = |api: &str| api.parse::<Authority>().is_ok();
    let is_anything = |_: &str| true;
    let is_number = |size: &str| size.parse::<i32>().is_ok();
    expect(API, "an address", is_address)?;
    expect("AWS_LAMBDA_FUNCTION_NAME", "a name", is_anything)?;
    expect("AWS_LAMBDA_FUNCTION_VERSION", "a version", is_anything)?;
    expect("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "a number", is_number)?;
    log_as_json_lines();
    Ok(())
}

fn expect(
    name: &'static str,
    expected: &'static str,
    is_as_expected: impl Fn(&str) -> bool,
) -> Result<(), RunError> {
    match env::var(name) {
        Ok(value) if is_as_expected(&value) => Ok(()),
        _ => Err(RunError::Environment { name, expected }),
    }
}

fn log_as_json_lines() {
    let lines = tracing_subscriber::registry().with(log_filter()).with(JsonLines(io::stdout));
    // The process may have a subscriber of its own: then it is that one's affair.
    if lines.try_init().is_ok() {
        panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string);
            tracing::error!(target: "funcify", place, "panic");
        }));
    }
}

/// What `RUST_LOG` asks for by levels and targets (`info,funcify=debug`); `info` unless it says so.
/// Filters by spans and fields are not understood: they would cost every function a regex engine.
pub(crate) fn log_filter() -> Targets {
    let asked = env::var("RUST_LOG").ok().and_then(|asked| asked.parse().ok());
    asked.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO))
}
