use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use funcify_core::{Deadline, DeadlineExceeded};
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, header};
use lambda_runtime::{FunctionResponse, LambdaEvent, MetadataPrelude, StreamResponse};
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};
use tower::Service;

use crate::pipeline::http::response::BodyTo;
use crate::pipeline::records::routes::BoxFuture;
use crate::pipeline::{Failure, HttpOutput, Kind, Output, Pipeline};

/// A pipeline whose answers to a function URL go out as they come: [`crate::run_streaming`].
///
/// Other sources take no streams and are answered as ever. A stream that has not ended by the
/// invocation's deadline ends in an error, so that nobody takes it for complete.
#[derive(Clone, Debug)]
pub struct Streaming(Pipeline);

/// The body of an answer, piece by piece.
pub type ByteStream =
    Pin<Box<dyn Stream<Item = Result<Bytes, Box<dyn Error + Send + Sync>>> + Send>>;

impl Streaming {
    /// Streams the answers of `pipeline`.
    #[must_use]
    pub fn new(pipeline: Pipeline) -> Self {
        Self(pipeline)
    }
}

impl Service<LambdaEvent<Box<RawValue>>> for Streaming {
    type Response = FunctionResponse<Output, ByteStream>;
    type Error = Failure;
    type Future = BoxFuture<Result<Self::Response, Failure>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, event: LambdaEvent<Box<RawValue>>) -> Self::Future {
        let pipeline = self.0.clone();
        Box::pin(async move {
            let deadline = pipeline.deadline(&event.context);
            let processed = pipeline.process_to(event, BodyTo::Stream).await;
            match processed.result? {
                Output::Http(answer) if processed.kind == Kind::FunctionUrl => {
                    Ok(FunctionResponse::StreamingResponse(streamed(answer, deadline)))
                }
                answer => Ok(FunctionResponse::BufferedResponse(answer)),
            }
        })
    }
}

fn streamed(answer: HttpOutput, deadline: Deadline) -> StreamResponse<ByteStream> {
    let (status_code, mut headers, body) = answer.into_stream();
    let cookies = cookies(&headers);
    headers.remove(header::SET_COOKIE);
    let metadata_prelude = MetadataPrelude { status_code, headers, cookies };
    StreamResponse { metadata_prelude, stream: until(deadline.ends(), body) }
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::SET_COOKIE).iter();
    values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
}

/// The pieces of `body` up to the deadline.
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
    use http::Method;

    use super::*;
    use crate::testing;

    async fn call(path: &str, left: Duration) -> FunctionResponse<Output, ByteStream> {
        let hang = async || {
            let first = stream::once(async { Ok::<_, std::io::Error>(Bytes::from_static(b"x")) });
            Body::from_stream(first.chain(stream::pending()))
        };
        let router = Router::new()
            .route("/large", get(async || ([(header::SET_COOKIE, "a=1")], vec![b'x'; 8 << 20])))
            .route("/hang", get(hang));
        let pipeline = Pipeline::builder(()).http(router).build().unwrap();
        let event = testing::function_url(Method::GET, path).json();
        let event = serde_json::from_str(&event).unwrap();
        let event = LambdaEvent::new(event, testing::context(left));
        Streaming::new(pipeline).call(event).await.unwrap()
    }

    #[tokio::test]
    async fn an_answer_of_any_size_goes_out_as_it_comes() {
        let FunctionResponse::StreamingResponse(answer) =
            call("/large", Duration::from_secs(30)).await
        else {
            panic!("expected a stream");
        };
        assert_eq!(answer.metadata_prelude.cookies, ["a=1"]);
        let pieces: Vec<_> = answer.stream.collect().await;
        assert_eq!(
            pieces.iter().map(|piece| piece.as_ref().unwrap().len()).sum::<usize>(),
            8 << 20
        );
    }

    #[tokio::test]
    async fn a_stream_that_hangs_ends_in_an_error_at_the_deadline() {
        let FunctionResponse::StreamingResponse(answer) =
            call("/hang", Duration::from_millis(500)).await
        else {
            panic!("expected a stream");
        };
        let pieces: Vec<_> = answer.stream.collect().await;
        assert_eq!(pieces.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false]);
    }
}
