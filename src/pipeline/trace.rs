use std::future::Future;

use http::{HeaderMap, HeaderValue};

tokio::task_local! {
    static CURRENT: Trace;
}

/// The trace that an invocation belongs to, to be handed on with what it calls.
///
/// Like the deadline it travels as a task-local.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The `traceparent` that the request came with (W3C Trace Context).
    pub traceparent: Option<HeaderValue>,
    /// The `X-Amzn-Trace-Id` of this invocation (AWS X-Ray).
    pub xray: Option<HeaderValue>,
}

impl Trace {
    /// The trace of the invocation that this task works for.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// Runs `work` within this trace: [`current`](Self::current) finds it there.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    pub(super) fn of(xray: Option<&str>, headers: Option<&HeaderMap>) -> Self {
        Self {
            traceparent: headers.and_then(|headers| headers.get("traceparent").cloned()),
            xray: xray.and_then(|xray| HeaderValue::from_str(xray).ok()),
        }
    }
}
