//! Lambda's Runtime API as a function's process sees it: four endpoints, and deadlines that are true.

mod server;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// What Lambda allows a function to start up.
const INIT: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum InvocationResult {
    /// The response as it was sent; of a streaming one the whole body, its prelude included.
    Ok(Bytes),
    /// What the function, or Lambda in its place, reported: `{errorType, errorMessage, …}`.
    FunctionError(Value),
    /// No answer when the deadline had passed; Lambda would have killed the function. A later answer is refused.
    TimedOut,
}

impl InvocationResult {
    /// The response as JSON; anything else fails the test.
    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Ok(body) => serde_json::from_slice(body).expect("the response is JSON"),
            other => panic!("expected a response, got {other:?}"),
        }
    }
}

/// Stops when it is dropped.
#[derive(Debug)]
pub(crate) struct RuntimeApi {
    address: SocketAddr,
    queue: mpsc::UnboundedSender<Invocation>,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl RuntimeApi {
    /// `limit` is the function's timeout, as configured in Lambda.
    pub(crate) async fn start(limit: Duration) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (queue, waiting) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            limit,
            waiting: AsyncMutex::new(waiting),
            running: Mutex::default(),
            init_error: watch::Sender::default(),
            invocations: AtomicU64::new(0),
            streamed: AtomicU64::new(0),
        });
        let server = tokio::spawn(server::serve(listener, Arc::clone(&shared)));
        Self { address, queue, shared, server }
    }

    /// For `AWS_LAMBDA_RUNTIME_API`: host and port, no scheme.
    pub(crate) fn endpoint(&self) -> String {
        self.address.to_string()
    }

    /// What Lambda sets in a function's environment.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_LAMBDA_RUNTIME_API", self.endpoint()),
            ("AWS_LAMBDA_FUNCTION_NAME", "funcify-test".to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/funcify-test".to_owned()),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "test".to_owned()),
        ]
    }

    /// Hands this event to the function, as soon as it asks for one, and waits for its answer until the deadline.
    pub(crate) async fn invoke(&self, payload: impl Into<Bytes>) -> InvocationResult {
        let number = self.shared.invocations.fetch_add(1, Ordering::Relaxed);
        let id = format!("8476a536-e9f4-11e8-9739-{number:012x}");
        let (delivered, delivery) = oneshot::channel();
        let (answer, answered) = oneshot::channel();
        let invocation = Invocation { id: id.clone(), payload: payload.into(), delivered, answer };
        self.queue.send(invocation).unwrap();

        let mut init_error = self.shared.init_error.subscribe();
        tokio::select! {
            biased;
            delivered = delivery => delivered.unwrap(),
            Ok(error) = init_error.wait_for(Option::is_some) => {
                return InvocationResult::FunctionError(error.clone().unwrap_or_default());
            }
            () = sleep(INIT) => panic!("no function asked for the event within {INIT:?}"),
        }
        match timeout(self.shared.limit, answered).await {
            Ok(result) => result.unwrap(),
            Err(_) => {
                self.shared.running.lock().unwrap().remove(&id);
                InvocationResult::TimedOut
            }
        }
    }

    /// What the function posted to `init/error`, if it did.
    pub(crate) fn init_error(&self) -> Option<Value> {
        self.shared.init_error.borrow().clone()
    }

    /// How many responses were sent in the streaming form.
    pub(crate) fn streamed(&self) -> u64 {
        self.shared.streamed.load(Ordering::Relaxed)
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Debug)]
struct Shared {
    limit: Duration,
    waiting: AsyncMutex<mpsc::UnboundedReceiver<Invocation>>,
    running: Mutex<HashMap<String, oneshot::Sender<InvocationResult>>>,
    init_error: watch::Sender<Option<Value>>,
    invocations: AtomicU64,
    streamed: AtomicU64,
}

#[derive(Debug)]
struct Invocation {
    id: String,
    payload: Bytes,
    delivered: oneshot::Sender<()>,
    answer: oneshot::Sender<InvocationResult>,
}
