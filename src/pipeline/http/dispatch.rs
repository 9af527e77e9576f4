//! Runs an HTTP event: from the request through the router to the response.

use std::{future::Future, pin::pin};

use axum::{
    body::Body,
    extract::{DefaultBodyLimit, Request},
    routing::RouterIntoService,
};
use bytes::Bytes;
use tower::Service;

use crate::pipeline::bounded::bounded;
use crate::pipeline::ended::Ended;
use crate::pipeline::http::format::ResponseFormat;
use crate::pipeline::http::response::{BodyTo, HttpOutput};
use crate::pipeline::invocation::Invocation;
use crate::pipeline::rules::Rules;

impl Rules {
    /// Sends the request through the router, and reads the response.
    pub(crate) async fn serve(
        &self,
        mut router: RouterIntoService<Body>,
        request: ::http::Request<Bytes>,
        invocation: Invocation,
        body_to: BodyTo,
    ) -> Ended {
        let format = ResponseFormat::of_request(invocation.event(), Some(request.method()));
        let (deadline, shared) = (invocation.deadline(), invocation.clone());
        // Boxed, because each future around it would otherwise have room for all of it.
        let work = Box::pin(async {
            let invocation = self.admit(invocation).await?;
            let routed = router.call(for_axum(request, invocation));
            let response = match self.while_renewing_keys(routed).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            // The deadline applies to the body too, which may take its time.
            Ok(HttpOutput::of(response, format, body_to).await)
        });
        let ended = bounded(deadline, work).await;
        let (output, cause) = ended.unwrap_or_else(|problem| HttpOutput::problem(problem, format));
        Ended::http(output, cause, shared.route().is_some())
    }

    /// Renews old keys while the handler waits for something, so that no caller has to wait for them
    /// later.
    async fn while_renewing_keys<T>(&self, handler: impl Future<Output = T>) -> T {
        let mut handler = pin!(handler);
        if let Some(authenticator) = &self.authenticator {
            tokio::select! {
                // The renewal is polled first: a handler that never waits lets it advance a step too.
                biased;
                () = authenticator.renew_old_keys() => {}
                output = &mut handler => return output,
            }
        }
        handler.await
    }
}

fn for_axum(request: ::http::Request<Bytes>, invocation: Invocation) -> Request {
    let mut request = request.map(Body::from);
    // Lambda limits the body itself.
    DefaultBodyLimit::disable().apply(&mut request);
    request.extensions_mut().insert(invocation);
    request
}
