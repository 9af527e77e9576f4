use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ::http::Method;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use crate::pipeline::{InvocationError, Kind, Output, Pipeline};
use crate::testing::http::HttpRequest;
use crate::testing::records::{self, Batch, BatchSource};
use crate::testing::services;

/// The time until Lambda ends the invocation of a test event: a second more than API Gateway waits for a
/// response.
const TIME: Duration = Duration::from_secs(30);

/// An event as Lambda delivers it.
///
/// There is a constructor for each source, and methods that add to the event. For an event of any other
/// shape, convert JSON: `TestEvent::from(json!({ … }))`. `Display` writes the event as JSON, which you can
/// parse to an [`Event`](crate::pipeline::Event).
///
/// [`send`](Self::send) returns what Lambda gets. To see the route, the outcome and the cause of a failure
/// too, call `pipeline.process(event.into())` ([`Pipeline::process`]). The invocation has 30 seconds. For
/// another deadline, set `context.deadline` of the [`LambdaEvent`].
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::post};
/// use funcify::{
///     pipeline::{InvocationOutcome, Pipeline, Problem, SqsRecord},
///     testing::TestEvent,
/// };
///
/// async fn on_order(order: SqsRecord) -> Result<(), Problem> {
///     if order.body == "a kettle" { Ok(()) } else { Err(Problem::bad_request("expected a kettle")) }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let pipeline = Pipeline::builder(())
///     .http(Router::new().route("/orders", post(async |order: String| format!("{order} is ordered"))))
///     .sqs("orders", on_order)
///     .build()?;
///
/// let request = TestEvent::post("/orders?gift=yes").header("x-tenant", "acme").body("a kettle");
/// assert_eq!(request.send(&pipeline).await?.http().unwrap().body(), "a kettle is ordered");
///
/// let batch = TestEvent::sqs("orders").record("1", "a kettle").record("2", "a lamp");
/// assert_eq!(batch.send(&pipeline).await?.failures(), ["2"]);
/// let processed = pipeline.process(batch.into()).await;
/// assert_eq!(processed.outcome, InvocationOutcome::Failed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TestEvent(Content);

#[derive(Clone, Debug)]
enum Content {
    Http(HttpRequest),
    Batch(Batch),
    Json(Value),
}

impl TestEvent {
    /// An HTTP request in the format of the source `kind`. For a WebSocket, the path is the route key.
    ///
    /// The path may have a query, encoded as a client sends it: `/orders?sku=a%20kettle&page=2`.
    ///
    /// # Panics
    ///
    /// If `kind` is not a kind of HTTP events.
    #[track_caller]
    pub fn http(kind: Kind, method: Method, path: &str) -> Self {
        assert!(kind.is_http(), "expected a kind of HTTP events, got {kind}");
        Self(Content::Http(HttpRequest::new(kind, method, path)))
    }

    /// A GET request through an HTTP API of API Gateway, with payload format 2.0.
    pub fn get(path: &str) -> Self {
        Self::http(Kind::HttpV2, Method::GET, path)
    }

    /// A POST request through an HTTP API of API Gateway, with payload format 2.0.
    pub fn post(path: &str) -> Self {
        Self::http(Kind::HttpV2, Method::POST, path)
    }

    /// A notification that an object was put into a bucket. Encode `key` as S3 does in an event, like a field
    /// of an HTML form: a space is `+`, a special character is `%XX`.
    pub fn s3(bucket: &str, key: &str) -> Self {
        Self(Content::Json(records::s3(bucket, key)))
    }

    /// An empty batch of the SQS queue with this name. Add messages with [`record`](Self::record).
    pub fn sqs(queue: &str) -> Self {
        Self(Content::Batch(Batch::new(BatchSource::Sqs, queue)))
    }

    /// A notification of the SNS topic with this name.
    pub fn sns(topic: &str, message: impl Into<String>) -> Self {
        Self(Content::Json(records::sns(topic, message.into())))
    }

    /// An event of the default EventBridge bus.
    pub fn eventbridge(source: &str, detail_type: &str, detail: Value) -> Self {
        Self(Content::Json(records::eventbridge(source, detail_type, detail)))
    }

    /// An empty batch of this Kinesis stream. Add records with [`record`](Self::record).
    pub fn kinesis(stream: &str) -> Self {
        Self(Content::Batch(Batch::new(BatchSource::Kinesis, stream)))
    }

    /// An empty batch of the DynamoDB stream of this table. Add records with [`record`](Self::record).
    pub fn dynamodb_stream(table: &str) -> Self {
        Self(Content::Batch(Batch::new(BatchSource::DynamoDb, table)))
    }

    /// An empty batch of this Kafka topic, partition 0. Add records with [`record`](Self::record).
    pub fn kafka(topic: &str) -> Self {
        Self(Content::Batch(Batch::new(BatchSource::Kafka, topic)))
    }

    /// An empty batch of this Firehose stream. Add records with [`record`](Self::record).
    pub fn firehose(stream: &str) -> Self {
        Self(Content::Batch(Batch::new(BatchSource::Firehose, stream)))
    }

    /// An example event of a kind that has no constructor of its own. Its values come from AWS's
    /// documentation or have the same form. To change a value, parse the JSON that `Display` writes, and
    /// convert the result with `TestEvent::from`.
    ///
    /// # Panics
    ///
    /// If this kind has a constructor of its own, or is [`Kind::Unknown`].
    #[track_caller]
    pub fn of(kind: Kind) -> Self {
        match services::example(kind) {
            Some(json) => Self(Content::Json(json)),
            None => panics("a kind without a constructor of its own has an example"),
        }
    }

    /// Adds a header to the request. Call it again with the same name to repeat the header.
    ///
    /// # Panics
    ///
    /// If the event was not made as an HTTP request.
    #[track_caller]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request().headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body of the request. A body that is not UTF-8 is delivered as base64.
    ///
    /// # Panics
    ///
    /// If the event was not made as an HTTP request.
    #[track_caller]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.request().body = Some(body.as_ref().to_owned());
        self
    }

    /// Sets `requestContext.authorizer`: what the authorizer of API Gateway, or the IAM authorization of a
    /// function URL, says about the caller.
    ///
    /// # Panics
    ///
    /// If the event was not made as an HTTP request.
    #[track_caller]
    pub fn authorizer(mut self, authorizer: Value) -> Self {
        self.request().authorizer = authorizer;
        self
    }

    /// Delivers the request as an Application Load Balancer with multi-value headers does.
    #[doc(hidden)]
    #[track_caller]
    pub fn multi_value_headers(mut self) -> Self {
        self.request().has_multi_value_headers = true;
        self
    }

    /// Adds a record to the batch. `id` and `data` are a message id and a body for SQS, a sequence number and
    /// data for a stream, an offset and a value for Kafka, a record id and data for Firehose. In a DynamoDB
    /// stream, `data` becomes the attributes `pk` and `value` of a new item.
    ///
    /// # Panics
    ///
    /// If the event was not made as a batch.
    #[track_caller]
    pub fn record(mut self, id: &str, data: impl Into<String>) -> Self {
        match &mut self.0 {
            Content::Batch(batch) => batch.push(id, &data.into()),
            Content::Http(_) | Content::Json(_) => panics("a batch can get a record"),
        }
        self
    }

    /// Sends the event through `pipeline`. The invocation has 30 seconds.
    ///
    /// # Errors
    ///
    /// The [`InvocationError`] that Lambda would get. An HTTP event with an error response is a success.
    pub async fn send(&self, pipeline: &Pipeline) -> Result<Output, InvocationError> {
        pipeline.process(self.into()).await.result
    }

    #[track_caller]
    fn request(&mut self) -> &mut HttpRequest {
        match &mut self.0 {
            Content::Http(request) => request,
            Content::Batch(_) | Content::Json(_) => panics("an HTTP request can get this"),
        }
    }

    fn value(&self) -> Value {
        match &self.0 {
            Content::Http(request) => request.event().into(),
            Content::Batch(batch) => batch.event(),
            Content::Json(json) => json.clone(),
        }
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "a test fails if its event makes no sense")]
fn panics(only: &str) -> ! {
    panic!("only {only}")
}

impl fmt::Display for TestEvent {
    /// Writes the event as JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.value(), f)
    }
}

/// An event of any shape.
impl From<Value> for TestEvent {
    fn from(json: Value) -> Self {
        Self(Content::Json(json))
    }
}

impl From<TestEvent> for LambdaEvent<Box<RawValue>> {
    fn from(event: TestEvent) -> Self {
        Self::from(&event)
    }
}

impl From<&TestEvent> for LambdaEvent<Box<RawValue>> {
    fn from(event: &TestEvent) -> Self {
        let mut context = Context::default();
        context.request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned();
        context.invoked_function_arn =
            "arn:aws:lambda:eu-west-1:123456789012:function:example".to_owned();
        context.deadline = deadline_in(TIME);
        // Every `Value` is valid JSON, so this cannot fail.
        Self::new(to_raw_value(&event.value()).unwrap_or_default(), context)
    }
}

/// The deadline of an invocation that ends in `left`, in milliseconds since the Unix epoch.
pub(crate) fn deadline_in(left: Duration) -> u64 {
    let ends = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + left;
    u64::try_from(ends.as_millis()).unwrap_or(u64::MAX)
}
