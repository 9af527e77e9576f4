//! Streams the responses to a function URL.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use funcify_core::{Deadline, DeadlineExceeded};
use futures_util::{Stream, StreamExt, future::BoxFuture, stream};
use http::{HeaderMap, Response, header};
use lambda_runtime::{FunctionResponse, LambdaEvent, MetadataPrelude, StreamResponse};
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};
use tower::Service;

use crate::pipeline::event::kind::Kind;
use crate::pipeline::http::response::BodyTo;
use crate::pipeline::outcome::InvocationError;
use crate::pipeline::output::Output;
use crate::pipeline::service::Pipeline;

/// A pipeline that streams its responses to a function URL: [`crate::run_streaming`].
///
/// Other sources take no streams and get complete responses. A stream that has not ended at the deadline
/// of the invocation ends with an error, so that no client takes it for complete.
#[derive(Clone, Debug)]
pub(crate) struct Streaming(Pipeline);

/// The body of a response, piece by piece.
pub(crate) type ByteStream =
    Pin<Box<dyn Stream<Item = Result<Bytes, Box<dyn Error + Send + Sync>>> + Send>>;

impl Streaming {
    pub(crate) fn new(pipeline: Pipeline) -> Self {
        Self(pipeline)
    }
}

impl Service<LambdaEvent<Box<RawValue>>> for Streaming {
    type Response = FunctionResponse<Output, ByteStream>;
    type Error = InvocationError;
    type Future = BoxFuture<'static, Result<Self::Response, InvocationError>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), InvocationError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, event: LambdaEvent<Box<RawValue>>) -> Self::Future {
        let pipeline = self.0.clone();
        Box::pin(async move {
            let deadline = pipeline.deadline(&event.context);
            let processed = pipeline.process_to(event, BodyTo::Stream).await;
            let output = processed.result?;
            if processed.kind != Kind::FunctionUrl {
                return Ok(FunctionResponse::BufferedResponse(output));
            }
            Ok(match output.into_stream() {
                Ok(response) => FunctionResponse::StreamingResponse(streaming(response, deadline)),
                Err(output) => FunctionResponse::BufferedResponse(output),
            })
        })
    }
}

fn streaming(response: Response<Body>, deadline: Deadline) -> StreamResponse<ByteStream> {
    let (parts, body) = response.into_parts();
    let (status_code, mut headers) = (parts.status, parts.headers);
    let cookies = cookies(&headers);
    headers.remove(header::SET_COOKIE);
    let metadata_prelude = MetadataPrelude { status_code, headers, cookies };
    StreamResponse { metadata_prelude, stream: until(deadline.ends(), body) }
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::SET_COOKIE).iter();
    values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
}

/// The pieces of `body`, until the deadline.
fn until(ends: Instant, body: Body) -> ByteStream {
    Box::pin(stream::unfold(Some(body.into_data_stream()), move |pieces| async move {
        let mut pieces = pieces?;
        match timeout_at(ends, pieces.next()).await {
            Ok(Some(Ok(piece))) => Some((Ok(piece), Some(pieces))),
            Ok(Some(Err(error))) => Some((Err(error.into()), None)),
            Ok(None) => None,
            Err(_) => Some((Err(DeadlineExceeded.into()), None)),
        }
    }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::{Router, routing::get};

    use super::*;
    use crate::testing::TestEvent;

    async fn call(path: &str, left: Duration) -> FunctionResponse<Output, ByteStream> {
        let hang = async || {
            let first = stream::once(async { Ok::<_, std::io::Error>(Bytes::from_static(b"x")) });
            Body::from_stream(first.chain(stream::pending()))
        };
        let router = Router::new()
            .route("/large", get(async || ([(header::SET_COOKIE, "a=1")], vec![b'x'; 8 << 20])))
            .route("/hang", get(hang));
        let pipeline = Pipeline::builder(()).http(router).build().unwrap();
        let event = TestEvent::http(Kind::FunctionUrl, http::Method::GET, path);
        let mut event = LambdaEvent::from(&event);
        event.context.deadline = crate::testing::deadline_in(left);
        Streaming::new(pipeline).call(event).await.unwrap()
    }

    #[tokio::test]
    async fn a_response_of_any_size_is_streamed() {
        let FunctionResponse::StreamingResponse(response) =
            call("/large", Duration::from_secs(30)).await
        else {
            panic!("expected a stream");
        };
        assert_eq!(response.metadata_prelude.cookies, ["a=1"]);
        let pieces: Vec<_> = response.stream.collect().await;
        assert_eq!(
            pieces.iter().map(|piece| piece.as_ref().unwrap().len()).sum::<usize>(),
            8 << 20
        );
    }

    #[tokio::test]
    async fn a_stream_that_hangs_ends_with_an_error_at_the_deadline() {
        let FunctionResponse::StreamingResponse(response) =
            call("/hang", Duration::from_millis(500)).await
        else {
            panic!("expected a stream");
        };
        let pieces: Vec<_> = response.stream.collect().await;
        assert_eq!(pieces.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false]);
    }
}
