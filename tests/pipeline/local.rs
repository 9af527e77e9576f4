//! The local server, and events from files.

use axum::{
    Router,
    body::Bytes,
    extract::Query,
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use funcify::{local, pipeline::Pipeline, testing::TestEvent};
use serde_json::json;

use crate::support::idp::http;

#[tokio::test]
async fn a_browser_reaches_the_routes_like_through_an_http_api() {
    let echo =
        async |headers: HeaderMap, Query(query): Query<Vec<(String, String)>>, body: Bytes| {
            let all = |name: &str| {
                let values = headers.get_all(name).iter();
                values.map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
            };
            axum::Json(json!({
                "x-a": all("x-a"), "cookie": all("cookie"), "query": query, "body": body.to_vec(),
            }))
        };
    let router = Router::new()
        .route("/echo/{id}", post(echo))
        .route("/picture", get(async || ([("set-cookie", "a=1")], vec![0_u8, 255])))
        .route("/panic", get(async || -> &'static str { panic!("of a handler") }));
    let pipeline = Pipeline::builder(()).http(router).build().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(local::serve(pipeline, listener));
    let client = http();

    let request = client.post(format!("{url}/echo/a%20b?t=x%26&t=y"));
    let request = request.header("x-a", "1").header("x-a", "2").header("cookie", "s=1; t=2");
    let reply = request.body(vec![0_u8, 255, b'"']).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
    assert_eq!(
        reply.json::<serde_json::Value>().await.unwrap(),
        json!({
            "x-a": ["1,2"], "cookie": ["s=1; t=2"], "query": [["t", "x&"], ["t", "y"]],
            "body": [0, 255, 34],
        })
    );
    let picture = client.get(format!("{url}/picture")).send().await.unwrap();
    assert_eq!(picture.headers()["set-cookie"], "a=1");
    assert_eq!(picture.bytes().await.unwrap(), &[0_u8, 255][..]);
    for (path, status) in [("/panic", 500), ("/missing", 404), ("/a//b", 404)] {
        let reply = client.get(format!("{url}{path}")).send().await.unwrap();
        assert_eq!(reply.status(), status, "{path}");
        assert_eq!(reply.headers()["content-type"], "application/problem+json");
    }
    server.abort();
}

#[tokio::test]
async fn an_event_file_is_processed_as_lambda_would() {
    let router = Router::new().route("/hello", get(async || "hello"));
    let pipeline = Pipeline::builder(()).http(router).build().unwrap();
    let path = std::env::temp_dir().join(format!("funcify-event-{}.json", std::process::id()));
    std::fs::write(&path, TestEvent::get("/hello").to_string()).unwrap();
    let processed = local::event(&pipeline, &path).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(processed.result.unwrap().http().unwrap().body(), "hello");
}

#[tokio::test]
async fn a_file_without_an_event_is_named_in_the_error() {
    let pipeline = Pipeline::builder(()).build().unwrap();
    let folder = std::env::temp_dir();
    let path = folder.join(format!("funcify-no-event-{}.json", std::process::id()));
    std::fs::write(&path, "{ invalid").unwrap();
    let error = local::event(&pipeline, &path).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    let error = error.to_string();
    assert!(error.contains("expected JSON") && error.contains("funcify-no-event"), "{error}");
    std::fs::remove_file(&path).unwrap();
    let error = local::event(&pipeline, &path).await.unwrap_err().to_string();
    assert!(error.contains("cannot be read") && error.contains("funcify-no-event"), "{error}");
}

#[tokio::test]
async fn a_streamed_body_that_fails_cuts_the_connection_and_its_length_is_not_promised() {
    let piece = |piece: &'static str| Ok::<_, std::io::Error>(piece);
    let whole = async move || {
        let pieces = futures_util::stream::iter([piece("one"), piece("two")]);
        ([("content-length", "6")], axum::body::Body::from_stream(pieces))
    };
    let broken = async move || {
        let pieces = [piece("one"), Err(std::io::Error::other("of a body"))];
        axum::body::Body::from_stream(futures_util::stream::iter(pieces))
    };
    let router = Router::new().route("/whole", get(whole)).route("/broken", get(broken));
    let pipeline = Pipeline::builder(()).http(router).build().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(local::serve_streaming(pipeline, listener));
    let client = http();

    let reply = client.get(format!("{url}/whole")).send().await.unwrap();
    assert_eq!(reply.headers().get("content-length"), None);
    assert_eq!(reply.text().await.unwrap(), "onetwo");
    // The connection may be cut before the head of the response is sent.
    let reply = client.get(format!("{url}/broken")).send().await;
    let text = match reply {
        Ok(reply) => reply.text().await,
        Err(error) => Err(error),
    };
    assert!(text.is_err(), "{text:?}");
    let head = client.head(format!("{url}/whole")).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.text().await.unwrap().as_str()), (200, ""));
    server.abort();
}
