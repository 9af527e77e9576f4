//! Streams responses to function URLs and REST APIs, through the Runtime API of Lambda.
//!
//! `lambda_runtime` 1.5 cannot end a stream with an error: it writes the text of its trailers into the body,
//! and ends the body as if it were complete. So this module sends the streamed response itself.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, Either},
    stream,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use http_body::Frame;
use http_body_util::StreamBody;
use lambda_runtime::{Error, LambdaEvent, LambdaInvocation};
use lambda_runtime_api_client::{PooledClient, body::Body, build_request};
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tower::{Layer, Service};

use crate::pipeline::event::Event;
use crate::pipeline::event::source::Source;
use crate::pipeline::http::format::{Head, ResponseFormat};
use crate::pipeline::http::streamed::{Broken, ByteStream};
use crate::pipeline::outcome::{InvocationError, InvocationErrorKind};
use crate::pipeline::service::Pipeline;

const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");
const ERROR_BODY: HeaderName = HeaderName::from_static("lambda-runtime-function-error-body");
const RESPONSE_MODE: HeaderName = HeaderName::from_static("lambda-runtime-function-response-mode");
const INVOCATION_ID: HeaderName = HeaderName::from_static("lambda-runtime-invocation-id");

/// The bytes between the metadata and the body. Source: "Response streaming" in the Lambda developer guide.
const DELIMITER: [u8; 8] = [0; 8];

/// A layer around the runtime's own service, for the invocations whose response is streamed.
#[derive(Clone)]
pub(crate) struct StreamingLayer {
    pipeline: Pipeline,
    client: Arc<PooledClient>,
}

impl StreamingLayer {
    /// `AWS_LAMBDA_RUNTIME_API` must be valid.
    pub(crate) fn new(pipeline: Pipeline) -> Self {
        Self { pipeline, client: Arc::new(PooledClient::builder().build()) }
    }
}

impl<S> Layer<S> for StreamingLayer {
    type Service = Streaming<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Streaming { layer: self.clone(), inner }
    }
}

/// Streams the responses to function URLs and REST APIs. `inner` gets all other invocations.
#[derive(Clone)]
pub(crate) struct Streaming<S> {
    layer: StreamingLayer,
    inner: S,
}

impl<S> Service<LambdaInvocation> for Streaming<S>
where
    S: Service<LambdaInvocation, Response = (), Error = Error>,
{
    type Response = ();
    type Error = Error;
    type Future = Either<S::Future, BoxFuture<'static, Result<(), Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        match Streamable::of(&invocation).filter(|_| self.layer.pipeline.serves_http()) {
            Some(event) => {
                let id = invocation.parts.headers.get(INVOCATION_ID).cloned();
                let layer = self.layer.clone();
                let event_and_context = LambdaEvent::new(event.text, invocation.context);
                let work = layer.respond(event_and_context, event.method, event.format, id);
                Either::Right(work.boxed())
            }
            None => Either::Left(self.inner.call(invocation)),
        }
    }
}

/// An event whose source can take a stream.
struct Streamable {
    text: Box<RawValue>,
    method: Method,
    format: ResponseFormat,
}

impl Streamable {
    fn of(invocation: &LambdaInvocation) -> Option<Self> {
        if !invocation.parts.status.is_success() {
            return None;
        }
        let text: Box<RawValue> = serde_json::from_slice(&invocation.body).ok()?;
        let event = Event::try_from(text.clone()).ok()?;
        if !Source::of(event.kind()).http.is_some_and(|source| source.streams.value) {
            return None;
        }
        let (method, format) = (event.bare_request().method().clone(), ResponseFormat::of(&event));
        Some(Self { text, method, format })
    }
}

impl StreamingLayer {
    /// Sends one response. A failure to send it is logged and not returned, because an error would end the
    /// runtime.
    async fn respond(
        self,
        event: LambdaEvent<Box<RawValue>>,
        method: Method,
        format: ResponseFormat,
        invocation_id: Option<HeaderValue>,
    ) -> Result<(), Error> {
        let request_id = event.context.request_id.clone();
        let (ended, end) = oneshot::channel();
        let mut request = match self.pipeline.stream(event, &method).await {
            Ok(response) => stream_request(&request_id, response, format, ended)?,
            Err(error) => {
                drop(ended);
                error_request(&request_id, &error)?
            }
        };
        if let Some(id) = invocation_id {
            request.headers_mut().insert(INVOCATION_ID, id);
        }
        match self.client.call(request).await {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => {
                let status = answer.status().as_u16();
                tracing::error!(target: "funcify", request_id, status, "Lambda refused the response");
            }
            Err(error) => {
                let error = crate::error_chain(&*error);
                tracing::error!(target: "funcify", request_id, error, "the response could not be sent to Lambda");
            }
        }
        // The connection drops the body when it has ended. The invocation lasts until then.
        let Err(_dropped) = end.await;
        Ok(())
    }
}

/// The body owns `ended`, so `ended` is dropped with it.
fn stream_request(
    request_id: &str,
    response: Response<ByteStream>,
    format: ResponseFormat,
    ended: oneshot::Sender<Infallible>,
) -> Result<Request<Body>, Error> {
    let mut response = response;
    // Without a type, a function URL would send `application/json`.
    let binary = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().entry(header::CONTENT_TYPE).or_insert(binary);
    let mut metadata = serde_json::to_vec(&Head { response: &response, format })?;
    metadata.extend_from_slice(&DELIMITER);
    let head = stream::once(async { Ok::<_, Infallible>(Frame::data(Bytes::from(metadata))) });
    let pieces = response.into_body().map(move |piece| {
        let _until_the_end = &ended;
        Ok(match piece {
            Ok(piece) => Frame::data(piece),
            Err(Broken) => Frame::trailers(failure()),
        })
    });
    let request = build_request()
        .method(Method::POST)
        .uri(format!("/2018-06-01/runtime/invocation/{request_id}/response"))
        .header(header::CONTENT_TYPE, "application/vnd.awslambda.http-integration-response")
        .header(header::TRANSFER_ENCODING, "chunked")
        .header(header::TRAILER, ERROR_TYPE.as_str())
        .header(header::TRAILER, ERROR_BODY.as_str())
        .header(RESPONSE_MODE, "streaming")
        .body(Body::new(StreamBody::new(head.chain(pieces))))?;
    Ok(request)
}

/// The trailers of a stream that failed. Source: "Reporting midstream errors" in "Building a custom runtime"
/// of the Lambda developer guide. The client may see them, so they do not name the cause.
fn failure() -> HeaderMap {
    let kind = InvocationErrorKind::HandlerFailed.to_string();
    let error = serde_json::json!({ "errorType": kind, "errorMessage": Broken.to_string() });
    let body = HeaderValue::try_from(STANDARD.encode(error.to_string()));
    let mut trailers = HeaderMap::new();
    trailers.extend(HeaderValue::try_from(kind).map(|kind| (ERROR_TYPE, kind)));
    trailers.extend(body.map(|body| (ERROR_BODY, body)));
    trailers
}

/// The request that reports an invocation without a response as failed.
fn error_request(request_id: &str, error: &InvocationError) -> Result<Request<Body>, Error> {
    let kind = error.kind.to_string();
    let body = serde_json::json!({ "errorType": kind, "errorMessage": error.message });
    let request = build_request()
        .method(Method::POST)
        .uri(format!("/2018-06-01/runtime/invocation/{request_id}/error"))
        .header(ERROR_TYPE, kind)
        .body(Body::from(body.to_string()))?;
    Ok(request)
}
