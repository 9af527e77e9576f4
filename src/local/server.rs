use std::{borrow::Cow, convert::Infallible, io, net::SocketAddr};

use ::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::StreamExt;
use http_body::Frame;
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use serde_json::{
    Map, Value, json,
    value::{RawValue, to_raw_value},
};
use tokio::net::TcpListener;

use crate::local::invocation;
use crate::pipeline::event::source::Source;
use crate::pipeline::event::source::http::{Cookies, HttpSource};
use crate::pipeline::http::streamed::Broken;
use crate::pipeline::{Kind, Pipeline};

/// The largest body of a request: the largest payload that Lambda accepts. A larger body gets 413, as from an
/// HTTP API. Source: "Lambda quotas" in the Lambda developer guide, invocation payload.
const MAX_BODY: usize = 6 * 1024 * 1024;

/// Serves the HTTP routes of the pipeline on your machine, as an HTTP API of API Gateway would: each request
/// becomes an event with payload format 2.0.
///
/// Bind `listener` to the loopback address, because nothing protects this server. A request may have a body
/// of up to 6 MB, and an invocation may take 29 seconds.
///
/// # Errors
///
/// The error of accepting a connection. The server stops for no other reason.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use funcify::{Api, Pipeline, local};
/// use http::Request;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let router = Router::new().route("/hello", get(async || "hello"));
/// let pipeline = Pipeline::builder(()).http(router).build()?;
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let server = Api::new("local", &format!("http://{}", listener.local_addr()?))?;
/// tokio::spawn(local::serve(pipeline, listener));
/// assert_eq!(server.send(Request::get("/hello").body("")?).await?.body(), "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub async fn serve(pipeline: Pipeline, listener: TcpListener) -> io::Result<Infallible> {
    accept(pipeline, listener, Kind::HttpV2).await
}

/// Serves the HTTP routes like [`serve`], but each request becomes the event of a function URL, and each
/// response is streamed as by [`run_streaming`](crate::run_streaming()).
///
/// If a body fails, the connection is cut. A response may have any size.
///
/// # Errors
///
/// The same as [`serve`].
///
/// # Examples
///
/// ```no_run
/// # async fn example(pipeline: funcify::Pipeline) -> std::io::Result<()> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// funcify::local::serve_streaming(pipeline, listener).await?;
/// # Ok(())
/// # }
/// ```
pub async fn serve_streaming(pipeline: Pipeline, listener: TcpListener) -> io::Result<Infallible> {
    accept(pipeline, listener, Kind::FunctionUrl).await
}

/// Serves as a source of this kind. It must be one with payload format 2.0.
async fn accept(pipeline: Pipeline, listener: TcpListener, kind: Kind) -> io::Result<Infallible> {
    let Some(source) = Source::of(kind).http else {
        return Err(io::Error::other("expected a source of HTTP requests"));
    };
    loop {
        let (stream, peer) = listener.accept().await?;
        let pipeline = pipeline.clone();
        tokio::spawn(async move {
            let respond = service_fn(|request| {
                let pipeline = pipeline.clone();
                async move { Ok::<_, Infallible>(respond(&pipeline, request, peer, source).await) }
            });
            let served =
                http1::Builder::new().serve_connection(TokioIo::new(stream), respond).await;
            if let Err(error) = served {
                tracing::debug!(%error, "the connection ended");
            }
        });
    }
}

async fn respond(
    pipeline: &Pipeline,
    request: Request<Incoming>,
    peer: SocketAddr,
    source: &HttpSource,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let event = invocation::of(event(&parts, &body.to_bytes(), peer, source));
    if source.streams.value {
        return match pipeline.stream(event, &parts.method).await {
            Ok(response) => {
                let mut response = response.map(|pieces| {
                    StreamBody::new(pieces.map(|piece| piece.map(Frame::data))).boxed_unsync()
                });
                // The length of a stream is not known in advance, even if a handler has set the header.
                response.headers_mut().remove(header::CONTENT_LENGTH);
                response
            }
            Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR),
        };
    }
    let processed = pipeline.process(event).await;
    match processed.result.as_ref().ok().and_then(|output| output.http()) {
        Some(response) => response.clone().map(complete),
        // API Gateway does the same if a function fails or its output is not a response.
        None => plain(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

type Body = UnsyncBoxBody<Bytes, Broken>;

fn complete(body: Bytes) -> Body {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

fn plain(status: StatusCode) -> Response<Body> {
    let message = json!({ "message": status.canonical_reason() }).to_string();
    let mut response = Response::new(complete(message.into()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// The event of a source with payload format 2.0.
fn event(
    parts: &::http::request::Parts,
    body: &[u8],
    peer: SocketAddr,
    source: &HttpSource,
) -> Box<RawValue> {
    let sent = parts.uri.path();
    let path = match source.path_is_decoded() {
        true => percent_decode_str(sent).decode_utf8_lossy(),
        false => Cow::Borrowed(sent),
    };
    // Recognition tells a function URL from an HTTP API by the domain only.
    let domain = if source.streams.value { "local.lambda-url.local.on.aws" } else { "localhost" };
    let query = parts.uri.query().unwrap_or_default();
    let (body, is_base64) = match std::str::from_utf8(body) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (STANDARD.encode(body), true),
    };
    let cookies: Vec<String> = values(&parts.headers, header::COOKIE.as_str())
        .flat_map(|cookies| cookies.split("; ").map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers(&parts.headers, source.cookies.value),
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": domain,
            "http": {
                "method": parts.method.as_str(),
                "path": path,
                "protocol": format!("{:?}", parts.version),
                "sourceIp": peer.ip().to_string(),
            },
            "routeKey": "$default",
            "stage": "$default",
        },
        "body": if body.is_empty() { Value::Null } else { body.into() },
        "isBase64Encoded": is_base64,
    });
    if let (false, Some(event)) = (cookies.is_empty(), event.as_object_mut()) {
        event.insert("cookies".to_owned(), json!(cookies));
    }
    // Every `Value` is valid JSON, so this cannot fail.
    to_raw_value(&event).unwrap_or_default()
}

/// Headers in payload format 2.0: one string for each name. A function URL has the cookies here too.
fn headers(headers: &HeaderMap, cookies: Cookies) -> Map<String, Value> {
    let is_here = |name: &&HeaderName| **name != header::COOKIE || cookies == Cookies::Both;
    let joined = |name: &HeaderName| {
        let between = if *name == header::COOKIE { "; " } else { "," };
        values(headers, name.as_str()).collect::<Vec<_>>().join(between)
    };
    let names = headers.keys().filter(is_here);
    names.map(|name| (name.as_str().to_owned(), joined(name).into())).collect()
}

fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = String> + 'a {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.get_all(name).iter().map(text)
}
