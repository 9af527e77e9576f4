use std::{env, io, panic};

use http::Uri;
use lambda_runtime::Runtime;
use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

use crate::config_error::ConfigError;
use crate::pipeline::http::streaming::StreamingLayer;
use crate::pipeline::init_error;
use crate::pipeline::log::{
    self,
    lines::{LogFormat, LogLines},
};
use crate::pipeline::service::Pipeline;

/// Runs the pipeline as a Lambda function until Lambda ends the process.
///
/// `pipeline` may also be the `Result` of building it. An error in it is logged and reported to Lambda
/// (`/runtime/init/error`), so that CloudWatch shows why the function does not start. Wrap an error that is
/// not a [`ConfigError`] in [`ConfigError::Start`].
///
/// # The log
///
/// If the process has no `tracing` subscriber yet, `run` installs one that writes to the standard output:
/// lines of JSON, or of text if `AWS_LAMBDA_LOG_FORMAT` is `Text`. `AWS_LAMBDA_LOG_LEVEL` is their level
/// (`TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR` or `FATAL`, by default `INFO`). `RUST_LOG` refines it by level
/// and target: `info,funcify=debug`. A panic is logged with its place in the code and without its payload.
///
/// At `debug` and `trace`, the AWS SDK, hyper, reqwest, rustls, redis and lambda_runtime log requests and
/// responses, with tokens and personal data in them. This subscriber drops their lines below `info`, whatever
/// `RUST_LOG` says. `FUNCIFY_UNSAFE_LOGS=1` lets these lines through. Set it only where every secret is
/// worthless. A subscriber of your own needs such a filter too.
///
/// # Errors
///
/// The error in `pipeline`. [`ConfigError::NotOnLambda`] if `AWS_LAMBDA_RUNTIME_API` is not set.
/// [`ConfigError::Invalid`] if a variable that Lambda sets is missing or malformed. [`ConfigError::Runtime`]
/// if the Runtime API does not answer.
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
pub async fn run(pipeline: impl Into<Result<Pipeline, ConfigError>>) -> Result<(), ConfigError> {
    let pipeline = start(pipeline.into()).await?;
    // The tracing layer of the runtime is left out, because the pipeline has a span of its own.
    Runtime::new(pipeline).run_concurrent().await.map_err(ConfigError::Runtime)
}

/// Runs the pipeline like [`run`], and streams the responses to function URLs and REST APIs.
///
/// A function URL needs `InvokeMode: RESPONSE_STREAM`, and a REST API needs the response transfer mode
/// `STREAM`. The event does not say which mode is set, so every function URL and REST API of this function
/// must have it. The body of a response is sent as your handler produces it, and funcify does not limit its
/// size. Other events get complete outputs.
///
/// If the body fails, panics or has not ended at the deadline, the stream ends with an error, so that no
/// client takes the body for complete. The log line `end` is written at the end of the body.
///
/// # Errors
///
/// The same as [`run`].
///
/// # Examples
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use funcify::{ConfigError, Pipeline};
///
/// #[tokio::main]
/// async fn main() -> Result<(), ConfigError> {
///     let router = Router::new().route("/feed", get(async || "line by line"));
///     funcify::run_streaming(Pipeline::builder(()).http(router).build()).await
/// }
/// ```
pub async fn run_streaming(
    pipeline: impl Into<Result<Pipeline, ConfigError>>,
) -> Result<(), ConfigError> {
    let pipeline = start(pipeline.into()).await?;
    let runtime = Runtime::new(pipeline.clone()).layer(StreamingLayer::new(pipeline));
    runtime.run_concurrent().await.map_err(ConfigError::Runtime)
}

/// Lets `run` take a pipeline as well as the result of building one.
impl From<Pipeline> for Result<Pipeline, ConfigError> {
    fn from(pipeline: Pipeline) -> Self {
        Ok(pipeline)
    }
}

/// Does everything that can fail before the first event.
async fn start(pipeline: Result<Pipeline, ConfigError>) -> Result<Pipeline, ConfigError> {
    const API: &str = "AWS_LAMBDA_RUNTIME_API";

    if env::var_os(API).is_none() {
        return Err(pipeline.err().unwrap_or(ConfigError::NotOnLambda));
    }
    // The runtime would panic if this variable is malformed.
    let is_address = |api: &str| api.parse::<Uri>().is_ok_and(|uri| uri.authority().is_some());
    expect(API, "an address", is_address)?;
    log_lines();
    let started = match expect_environment() {
        Ok(()) => pipeline,
        Err(error) => Err(error),
    };
    if let Err(error) = &started {
        init_error::report(error).await;
    }
    started
}

fn expect_environment() -> Result<(), ConfigError> {
    let is_anything = |_: &str| true;
    let is_number = |size: &str| size.parse::<i32>().is_ok();
    expect("AWS_LAMBDA_FUNCTION_NAME", "a name", is_anything)?;
    expect("AWS_LAMBDA_FUNCTION_VERSION", "a version", is_anything)?;
    expect("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "a number", is_number)
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

fn log_lines() {
    let lines = LogLines { format: LogFormat::from_env(), writer: io::stdout };
    let lines = log::subscriber().with(lines);
    // A process with a subscriber of its own also logs panics in its own way.
    if lines.try_init().is_ok() {
        panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string);
            tracing::error!(target: "funcify", place, "panic");
        }));
    }
}
