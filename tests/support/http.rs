//! An HTTP server on loopback for a test's router.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::net::TcpListener;

/// A listener, and the URL of the server that will use it.
pub(crate) async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    (listener, base)
}

/// Serves `router` until the test ends.
pub(crate) fn serve_on(listener: TcpListener, router: Router) {
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(router.clone());
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(async move { drop(connection.await) });
        }
    });
}

/// Serves `router` on a free port until the test ends, and returns its URL.
pub(crate) async fn serve(router: Router) -> String {
    let (listener, base) = listen().await;
    serve_on(listener, router);
    base
}
