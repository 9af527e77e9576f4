use std::{env, io, panic};

use http::uri::Authority;
use lambda_runtime::Runtime;
use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

use crate::config_error::ConfigError;
use crate::pipeline::http::streaming::Streaming;
use crate::pipeline::log::{self, json_lines::JsonLines};
use crate::pipeline::service::Pipeline;

/// Runs the pipeline as a Lambda function until Lambda ends the process.
///
/// If the process has no `tracing` subscriber yet, `run` installs one that writes lines of JSON to the
/// standard output. `RUST_LOG` filters by level and target, the default is `info`. A panic is logged
/// with its place in the code and without its payload.
///
/// The AWS SDK, hyper, reqwest, rustls, redis and lambda_runtime log whole requests and responses at
/// `debug` and `trace`, and so tokens and personal data. This subscriber passes their lines from `info` on
/// only, whatever `RUST_LOG` says. `FUNCIFY_UNSAFE_LOGS=1` lets them through: set it only where every
/// secret is worthless. A subscriber of your own needs such a filter too.
///
/// # Errors
///
/// [`ConfigError::NotOnLambda`] if `AWS_LAMBDA_RUNTIME_API` is missing, [`ConfigError::Invalid`] if
/// another variable of Lambda is missing or malformed, [`ConfigError::Runtime`] if the Runtime API does
/// not answer.
///
/// # Examples
///
/// ```
/// use funcify::{ConfigError, Pipeline};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let pipeline = Pipeline::builder(()).build()?;
/// let result = funcify::run(pipeline).await;
/// assert!(matches!(result, Err(ConfigError::NotOnLambda)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub async fn run(pipeline: Pipeline) -> Result<(), ConfigError> {
    prepare()?;
    // Without the tracing layer of the runtime, because the pipeline has a span of its own.
    Runtime::new(pipeline).run_concurrent().await.map_err(ConfigError::Runtime)
}

/// Runs the pipeline like [`run`], and streams the responses to a function URL.
///
/// The function URL needs `InvokeMode: RESPONSE_STREAM`. The body of a response is sent as your handler
/// produces it, and may have any size. Other events get complete outputs.
///
/// # Errors
///
/// The same as [`run`].
pub async fn run_streaming(pipeline: Pipeline) -> Result<(), ConfigError> {
    prepare()?;
    let runtime = Runtime::new(Streaming::new(pipeline));
    runtime.run_concurrent().await.map_err(ConfigError::Runtime)
}

fn prepare() -> Result<(), ConfigError> {
    const API: &str = "AWS_LAMBDA_RUNTIME_API";

    if env::var_os(API).is_none() {
        return Err(ConfigError::NotOnLambda);
    }
    // With a malformed variable the runtime would panic.
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
) -> Result<(), ConfigError> {
    match env::var(name) {
        Ok(value) if is_as_expected(&value) => Ok(()),
        _ => Err(ConfigError::invalid(format!(
            "expected {expected} in the environment variable {name}, which Lambda sets for every function"
        ))),
    }
}

fn log_as_json_lines() {
    let lines = log::subscriber().with(JsonLines(io::stdout));
    // If the process has a subscriber of its own, panics are that subscriber's affair too.
    if lines.try_init().is_ok() {
        panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string);
            tracing::error!(target: "funcify", place, "panic");
        }));
    }
}
