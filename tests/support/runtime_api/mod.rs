//! Lambda's Runtime API for the process of a function: its four endpoints, with real deadlines. It keeps every byte
//! that the function sends.

mod server;
mod tap;

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

/// How long Lambda lets a function initialise.
const INIT: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum InvocationResult {
    /// The response as it was sent. A streamed one includes its prelude.
    Ok(Bytes),
    /// The error that the function, or Lambda in its place, reported: `{errorType, errorMessage, …}`.
    FunctionError(Value),
    /// There was no answer before the deadline. Lambda would have killed the function. A later answer is refused.
    TimedOut,
}

impl InvocationResult {
    /// The response as JSON. The test fails if it is anything else.
    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Ok(body) => serde_json::from_slice(body).expect("the response is JSON"),
            other => panic!("expected a response, got {other:?}"),
        }
    }
}

/// It stops when it is dropped.
#[derive(Debug)]
pub(crate) struct RuntimeApi {
    address: SocketAddr,
    queue: mpsc::UnboundedSender<Invocation>,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl RuntimeApi {
    /// `limit` is the function's configured timeout.
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
            deadline: Mutex::default(),
            cut_after: AtomicU64::new(u64::MAX),
            sent: Mutex::default(),
        });
        let server = tokio::spawn(server::serve(listener, Arc::clone(&shared)));
        Self { address, queue, shared, server }
    }

    /// The value for `AWS_LAMBDA_RUNTIME_API`: host and port without a scheme.
    pub(crate) fn endpoint(&self) -> String {
        self.address.to_string()
    }

    /// Sends this deadline in place of the true one, as emulators do.
    pub(crate) fn send_deadline(&self, millis: &str) {
        *self.shared.deadline.lock().unwrap() = Some(millis.to_owned());
    }

    /// Cuts each connection that has sent more bytes than this.
    pub(crate) fn cut_after(&self, bytes: u64) {
        self.shared.cut_after.store(bytes, Ordering::Relaxed);
    }

    /// Everything that the function has sent, connection by connection.
    pub(crate) fn sent(&self) -> Vec<Vec<u8>> {
        let sent = self.shared.sent.lock().unwrap();
        sent.iter().map(|sent| sent.lock().unwrap().clone()).collect()
    }

    /// The environment variables that Lambda sets.
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

    /// Gives this event to the function when it asks for the next one, and waits for the answer until the deadline.
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

    /// What the function posted to `init/error`, if anything.
    pub(crate) fn init_error(&self) -> Option<Value> {
        self.shared.init_error.borrow().clone()
    }

    /// How many responses were streamed.
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
    deadline: Mutex<Option<String>>,
    cut_after: AtomicU64,
    sent: Mutex<Vec<Sent>>,
}

/// The bytes that one connection has brought.
type Sent = Arc<Mutex<Vec<u8>>>;

#[derive(Debug)]
struct Invocation {
    id: String,
    payload: Bytes,
    delivered: oneshot::Sender<()>,
    answer: oneshot::Sender<InvocationResult>,
}
