pub(crate) mod w3c;

use http::{HeaderMap, HeaderName, HeaderValue};

tokio::task_local! {
    static CURRENT: TraceContext;
}

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const XRAY: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// The trace that an invocation belongs to. An [`Api`](crate::Api) sends its headers with every call.
///
/// The pipeline sets the trace for the task that handles the invocation. A task that you spawn does not
/// inherit it: wrap the work in [`scope`](Self::scope). For a client of your own, convert the trace into a
/// [`HeaderMap`] and add those headers to the request.
///
/// The headers are `traceparent` and `tracestate` (W3C Trace Context) and `X-Amzn-Trace-Id`. Anyone can write
/// them, so a malformed one is dropped.
///
/// # Examples
///
/// ```
/// use funcify::TraceContext;
/// use http::{HeaderMap, HeaderValue};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let mut incoming = HeaderMap::new();
/// incoming.insert("traceparent", HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
/// let trace = TraceContext::from(&incoming);
///
/// trace
///     .scope(async {
///         let outgoing = HeaderMap::from(TraceContext::current().unwrap());
///         assert_eq!(outgoing.len(), 1);
///     })
///     .await;
/// assert!(TraceContext::current().is_none());
/// # });
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceContext {
    traceparent: Option<HeaderValue>,
    tracestate: Option<HeaderValue>,
    /// The X-Ray trace id. In an invocation, it is the one from Lambda.
    pub(crate) xray: Option<HeaderValue>,
}

impl TraceContext {
    /// The trace of the current task. Returns `None` outside of an invocation.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Runs `work` as a part of this trace.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }

    /// Adds the headers of the trace, except those that the request already has.
    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        let ours =
            [(TRACEPARENT, &self.traceparent), (TRACESTATE, &self.tracestate), (XRAY, &self.xray)];
        for (name, value) in ours {
            if let Some(value) = value {
                headers.entry(name).or_insert_with(|| value.clone());
            }
        }
    }
}

/// The trace that a request belongs to.
impl From<&HeaderMap> for TraceContext {
    fn from(headers: &HeaderMap) -> Self {
        let traceparent = w3c::only(headers, &TRACEPARENT).and_then(w3c::traceparent);
        let states = || headers.get_all(TRACESTATE).iter().map(|state| state.to_str().ok());
        // A `tracestate` without a valid `traceparent` must be dropped (W3C Trace Context, section 3.3).
        let tracestate = traceparent.as_ref().and_then(|_| w3c::tracestate(states()));
        let is_xray = |value: &&HeaderValue| value.to_str().is_ok_and(w3c::is_xray);
        let xray = w3c::only(headers, &XRAY).filter(is_xray).cloned();
        Self { traceparent, tracestate, xray }
    }
}

/// The headers that pass the trace on.
impl From<TraceContext> for HeaderMap {
    fn from(trace: TraceContext) -> Self {
        let mut headers = Self::new();
        trace.apply(&mut headers);
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_headers_of_the_standard_are_passed_on() {
        const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let passed = |headers: &[(HeaderName, &str)]| {
            let mut incoming = HeaderMap::new();
            for (name, value) in headers {
                incoming.append(name, HeaderValue::from_str(value).unwrap());
            }
            let mut names: Vec<_> = HeaderMap::from(TraceContext::from(&incoming))
                .iter()
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect();
            names.sort();
            names
        };
        let (parent, state) = (format!("traceparent: {PARENT}"), "tracestate: a=1,b=2".to_owned());
        assert_eq!(
            passed(&[(TRACEPARENT, PARENT), (TRACESTATE, "a=1"), (TRACESTATE, "b=2")]),
            [parent.clone(), state]
        );
        assert_eq!(passed(&[(TRACEPARENT, PARENT), (TRACESTATE, "canary")]), [parent]);
        let none: [String; 0] = [];
        assert_eq!(passed(&[(TRACEPARENT, "canary"), (TRACESTATE, "a=1"), (XRAY, "canary")]), none);
        assert_eq!(passed(&[(TRACEPARENT, PARENT), (TRACEPARENT, PARENT)]), none);
        assert_eq!(passed(&[(TRACESTATE, "a=1")]), none);
    }

    #[test]
    fn a_header_of_the_request_itself_stays() {
        let mut headers = HeaderMap::new();
        headers.insert(XRAY, HeaderValue::from_static("mine"));
        let xray = Some(HeaderValue::from_static("Root=1"));
        TraceContext { xray, ..TraceContext::default() }.apply(&mut headers);
        assert_eq!(headers[XRAY], "mine");
    }
}
