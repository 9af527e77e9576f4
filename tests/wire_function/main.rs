//! A function whose responses fail in every way that a response can fail. `tests/wire` reads what it sends.

#![expect(clippy::panic, clippy::print_stderr, reason = "that is what it is for")]

use std::{env, io, process::ExitCode, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{StatusCode, header},
    response::AppendHeaders,
    routing::{any, get},
};
use funcify::{ConfigError, Pipeline, Problem, error_chain, pipeline::SqsRecord};
use futures_util::{Stream, StreamExt, stream};
use lambda_runtime::{FunctionResponse, LambdaEvent, MetadataPrelude, Runtime, StreamResponse};
use serde_json::Value;

type Piece = Result<&'static str, io::Error>;

/// No caller may see it.
const SECRET: &str = "hunter2";

fn one() -> impl Stream<Item = Piece> + Send {
    stream::iter([Ok("one")])
}

fn failure() -> Piece {
    Err(io::Error::other(format!("no connection with {SECRET}")))
}

fn panics() -> Piece {
    panic!("{SECRET}")
}

fn router() -> Router {
    let text = async || {
        let headers = [
            (header::CONTENT_LENGTH, "5"),
            (header::CONNECTION, "close"),
            (header::CONTENT_TYPE, "text/plain"),
        ];
        (headers, "hello")
    };
    let cookies = async || {
        (AppendHeaders([(header::SET_COOKIE, "a=1"), (header::SET_COOKIE, "b=2")]), "cookies")
    };
    let pieces = async || {
        let pieces = stream::iter(["one", "two", "three"]).then(async |piece| {
            tokio::time::sleep(Duration::from_millis(20)).await;
            tracing::info!(piece, "made");
            Ok::<_, io::Error>(piece)
        });
        Body::from_stream(pieces)
    };
    Router::new()
        .route("/text", any(text))
        .route("/cookies", get(cookies))
        .route("/binary", get(async || Bytes::from_static(&[0, 255, 0, 0, 0, 0, 0, 0, 0, 0, 1])))
        .route("/pieces", get(pieces))
        .route("/nothing", get(async || (StatusCode::NO_CONTENT, "no content has content")))
        .route("/unchanged", get(async || (StatusCode::NOT_MODIFIED, "nor has this")))
        .route("/fails", get(async || Body::from_stream(one().chain(stream::iter([failure()])))))
        .route(
            "/panics",
            get(async || Body::from_stream(one().chain(stream::once(async { panics() })))),
        )
        .route("/hangs", get(async || Body::from_stream(one().chain(stream::pending()))))
        .route("/early", get(async || -> &'static str { panic!("{SECRET}") }))
        .route(
            "/endless",
            get(async || {
                Body::from_stream(stream::repeat_with(|| Ok::<_, io::Error>("x".repeat(65_536))))
            }),
        )
}

async fn on_message(_: SqsRecord) -> Result<(), Problem> {
    Err(io::Error::other("the shelf is empty").into())
}

fn pipeline() -> Result<Pipeline, ConfigError> {
    Pipeline::builder(()).http(router()).sqs("orders", on_message).build()
}

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match env::args().nth(1).as_deref() {
        Some("streamed") => funcify::run_streaming(pipeline()).await,
        Some("runtime") => as_the_runtime_does().await,
        Some("broken") => {
            let missing: Box<dyn std::error::Error + Send + Sync> = "no warehouse".into();
            funcify::run(Err(ConfigError::Start(missing))).await
        }
        _ => funcify::run(pipeline()).await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", error_chain(&error));
            ExitCode::from(2)
        }
    }
}

/// A mutant: `lambda_runtime` sends a stream that fails.
async fn as_the_runtime_does() -> Result<(), ConfigError> {
    let fails = lambda_runtime::service_fn(async |_: LambdaEvent<Value>| {
        let metadata_prelude =
            MetadataPrelude { status_code: StatusCode::OK, ..Default::default() };
        let pieces = stream::iter([Ok(Bytes::from_static(b"one")), failure().map(Bytes::from)]);
        let response = StreamResponse { metadata_prelude, stream: pieces };
        Ok::<_, lambda_runtime::Error>(FunctionResponse::<(), _>::StreamingResponse(response))
    });
    Runtime::new(fails).run().await.map_err(ConfigError::Start)
}
