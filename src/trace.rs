use http::{HeaderMap, HeaderName, HeaderValue};

tokio::task_local! {
    static CURRENT: TraceContext;
}

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const XRAY: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// The trace that an invocation belongs to, handed on with every call of an [`Api`](crate::Api).
///
/// It travels as a task-local, like [`Deadline`](funcify_core::Deadline): the pipeline sets it; for
/// spawned work hand it over with [`scope`](Self::scope).
///
/// # Examples
///
/// ```
/// use funcify::TraceContext;
/// use http::{HeaderMap, HeaderValue};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let mut headers = HeaderMap::new();
/// headers.insert("traceparent", HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
/// let trace = TraceContext::from_headers(&headers).with_xray("Root=1-5759e988-bd862e3fe1be46a994272793");
///
/// trace
///     .scope(async {
///         let mut outgoing = HeaderMap::new();
///         TraceContext::current().unwrap().apply(&mut outgoing);
///         assert_eq!(outgoing.len(), 2);
///     })
///     .await;
/// assert!(TraceContext::current().is_none());
/// # });
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceContext {
    traceparent: Option<HeaderValue>,
    tracestate: Option<HeaderValue>,
    xray: Option<HeaderValue>,
}

impl TraceContext {
    /// The trace that a request belongs to: `traceparent` and `tracestate` (W3C Trace Context),
    /// `X-Amzn-Trace-Id`.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let header = |name| headers.get(name).cloned();
        Self {
            traceparent: header(TRACEPARENT),
            tracestate: header(TRACESTATE),
            xray: header(XRAY),
        }
    }

    /// The same with the trace id that Lambda gave the invocation; one that fits into no header is
    /// left out.
    #[must_use]
    pub fn with_xray(self, trace_id: &str) -> Self {
        let xray = HeaderValue::from_str(trace_id).ok().filter(|value| !value.is_empty());
        Self { xray: xray.or(self.xray), ..self }
    }

    /// The trace of the invocation that this task works for.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Runs `work` as a part of this trace.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }

    /// Adds the headers that hand the trace on, unless they are there already.
    pub fn apply(&self, headers: &mut HeaderMap) {
        let mine =
            [(TRACEPARENT, &self.traceparent), (TRACESTATE, &self.tracestate), (XRAY, &self.xray)];
        for (name, value) in mine {
            if let Some(value) = value {
                headers.entry(name).or_insert_with(|| value.clone());
            }
        }
    }
}
