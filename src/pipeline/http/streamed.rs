//! A response whose body is sent while the handler produces it.

use std::pin::Pin;

use axum::body::Body;
use bytes::Bytes;
use funcify_core::Deadline;
use futures_util::{Stream, stream};
use http::{Method, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use lambda_runtime::LambdaEvent;
use serde_json::value::RawValue;
use tokio::time::Instant;
use tracing::Instrument;

use crate::pipeline::bounded::bounded;
use crate::pipeline::http::response::BodyTo;
use crate::pipeline::log::Ending;
use crate::pipeline::outcome::{InvocationError, InvocationOutcome, Processed};
use crate::pipeline::output::Output;
use crate::pipeline::service::Pipeline;
use crate::problem::Problem;
use crate::trace::TraceContext;

/// The pieces of a body. The stream ends after an error.
pub(crate) type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, Broken>> + Send>>;

/// A body failed, panicked or did not end before the deadline. Only the log has the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the response ended early")]
pub(crate) struct Broken;

impl Pipeline {
    /// Processes one HTTP event whose request has this method. The body of the response is read while it is
    /// sent. The event ends at the end of the body: its end is logged then, and everything that the body does
    /// until then runs in the invocation.
    pub(crate) async fn stream(
        &self,
        event: LambdaEvent<Box<RawValue>>,
        method: &Method,
    ) -> Result<Response<ByteStream>, InvocationError> {
        let deadline = self.deadline(Instant::now(), &event.context);
        let (mut processed, ending) = self.process_to(event, BodyTo::Stream).await;
        let trace = ending.trace.as_deref().cloned().unwrap_or_default();
        let response = match std::mem::replace(&mut processed.result, Ok(Output::nothing())) {
            Ok(output) => output.into_stream(),
            Err(error) => {
                processed.result = Err(error.clone());
                ending.end(&processed);
                return Err(error);
            }
        };
        // The outputs of other events have no body.
        let response = response.unwrap_or_else(|_| Response::new(Body::empty()));
        let has_content = *method != Method::HEAD
            && !matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        Ok(response.map(|body| {
            let body = if has_content { body } else { Body::empty() };
            Streamed { body, deadline, trace, processed, ending: Some(ending) }.into_stream()
        }))
    }
}

/// A body that is being sent.
struct Streamed {
    body: Body,
    deadline: Deadline,
    trace: TraceContext,
    processed: Processed,
    /// `None` after the end.
    ending: Option<Ending>,
}

impl Streamed {
    fn into_stream(mut self) -> ByteStream {
        if self.body.is_end_stream() {
            self.end(None);
        }
        let next = |streamed: Option<Self>| async { streamed?.next().await };
        Box::pin(stream::unfold(Some(self), next))
    }

    async fn next(mut self) -> Option<(Result<Bytes, Broken>, Option<Self>)> {
        let ending = self.ending.as_ref()?;
        let piece = bounded(self.deadline, piece(&mut self.body));
        let piece = self.trace.clone().scope(piece).instrument(ending.span.clone());
        match piece.await {
            Ok(Some(piece)) => {
                if self.body.is_end_stream() {
                    self.end(None);
                }
                Some((Ok(piece), Some(self)))
            }
            Ok(None) => {
                self.end(None);
                None
            }
            Err(problem) => {
                self.end(Some(&problem));
                Some((Err(Broken), None))
            }
        }
    }

    fn end(&mut self, problem: Option<&Problem>) {
        let Some(ending) = self.ending.take() else { return };
        if let Some(problem) = problem {
            self.processed.outcome = InvocationOutcome::Failed;
            self.processed.cause = problem.cause();
        }
        ending.end(&self.processed);
    }
}

/// Dropped before its end: nobody reads the rest of the body.
impl Drop for Streamed {
    fn drop(&mut self) {
        #[derive(Debug, thiserror::Error)]
        #[error("the receiver closed the connection before the end of the response")]
        struct Closed;

        if self.ending.is_some() {
            self.end(Some(&Closed.into()));
        }
    }
}

/// The next piece of data.
async fn piece(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, io, time::Duration};

    use axum::{Router, routing::get};
    use funcify_test_support::LogCapture;
    use futures_util::{FutureExt, StreamExt};

    use super::*;
    use crate::pipeline::Kind;
    use crate::testing::{TestEvent, deadline_in};

    type Piece = Result<&'static str, io::Error>;

    fn body(pieces: impl Stream<Item = Piece> + Send + 'static) -> Body {
        Body::from_stream(pieces)
    }

    fn one() -> impl Stream<Item = Piece> + Send {
        stream::iter([Ok("one")])
    }

    fn pipeline() -> Pipeline {
        let fails = async || body(one().chain(stream::iter([Err(io::Error::other("disk full"))])));
        let panics = || -> Piece { panic!("hunter2") };
        let panics = async move || body(one().chain(stream::once(async move { panics() })));
        let deadline = async || {
            let left = stream::once(async { Ok(Deadline::current().map_or("none", |_| "some")) });
            body(left)
        };
        let router = Router::new()
            .route("/large", get(async || vec![b'x'; 8 << 20]))
            .route("/hangs", get(async || body(one().chain(stream::pending()))))
            .route("/fails", get(fails))
            .route("/panics", get(panics))
            .route("/deadline", get(deadline))
            .route("/none", get(async || http::StatusCode::NO_CONTENT));
        Pipeline::builder(()).http(router).build().unwrap()
    }

    async fn response(path: &str, left: Duration) -> Response<ByteStream> {
        let event = TestEvent::http(Kind::FunctionUrl, Method::GET, path);
        let mut event = LambdaEvent::from(&event);
        event.context.deadline = deadline_in(left);
        pipeline().stream(event, &Method::GET).await.unwrap()
    }

    /// The body as text, with a `!` at the end if it ended early, and the log.
    fn sent(path: &str) -> (String, String) {
        let log = LogCapture::new();
        let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(log.writer()).finish();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let body = tracing::subscriber::with_default(lines, || {
            runtime.block_on(async {
                let left = if path == "/hangs" { 700 } else { 30_000 };
                let mut pieces = response(path, Duration::from_millis(left)).await.into_body();
                let mut body = String::new();
                while let Some(piece) = pieces.next().await {
                    match piece {
                        Ok(piece) => body.push_str(&String::from_utf8_lossy(&piece)),
                        Err(Broken) => body.push('!'),
                    }
                }
                body
            })
        });
        (body, log.text())
    }

    #[test]
    fn a_body_of_any_size_is_sent_and_its_end_is_logged_once() {
        let (body, log) = sent("/large");
        assert_eq!(body.len(), 8 << 20);
        assert_eq!(log.matches("outcome=\"handled\"").count(), 1, "{log}");
        let (body, log) = sent("/none");
        assert_eq!((body.as_str(), log.matches("outcome=\"handled\"").count()), ("", 1), "{log}");
    }

    #[test]
    fn a_body_that_fails_panics_or_hangs_breaks_and_the_invocation_has_failed() {
        for (path, cause) in
            [("/fails", "disk full"), ("/panics", "a handler panicked"), ("/hangs", "deadline")]
        {
            let (body, log) = sent(path);
            assert_eq!(body, "one!", "{path}");
            let end = log.lines().last().unwrap();
            assert!(end.contains("outcome=\"failed\" status=200") && end.contains(cause), "{log}");
            assert!(!log.contains("handled"), "{log}");
        }
    }

    #[test]
    fn a_body_knows_the_deadline_of_its_invocation() {
        assert_eq!(sent("/deadline").0, "some");
    }

    #[test]
    fn a_body_that_nobody_reads_to_its_end_has_failed() {
        let log = LogCapture::new();
        let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(log.writer()).finish();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        tracing::subscriber::with_default(lines, || {
            runtime.block_on(async {
                let mut pieces = response("/hangs", Duration::from_secs(30)).await.into_body();
                pieces.next().await.unwrap().unwrap();
                // The body waits for its next piece when the connection is closed.
                let mut next = pieces.next();
                poll_fn(|cx| {
                    assert!(next.poll_unpin(cx).is_pending());
                    std::task::Poll::Ready(())
                })
                .await;
                drop(pieces);
            });
        });
        let log = log.text();
        assert!(log.contains("outcome=\"failed\"") && log.contains("the receiver closed"), "{log}");
    }
}
