//! A handler with the options of its route.

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};

use crate::idempotency::Idempotency;
use crate::pipeline::records::dynamodb::DynamoDbRecord;
use crate::pipeline::records::eventbridge::EventBridgeEvent;
use crate::pipeline::records::handler::{Call, FromRecord, RecordHandler, call};
use crate::pipeline::records::idempotent::{Idempotent, OwnId, Redelivered, by_key, by_own_id};
use crate::pipeline::records::kafka::KafkaRecord;
use crate::pipeline::records::kinesis::KinesisRecord;
use crate::pipeline::records::s3::S3Object;
use crate::pipeline::records::sns::SnsRecord;
use crate::pipeline::records::sqs::SqsRecord;
use crate::pipeline::records::window::{Window, WindowCall, Windowed, window_call};

/// A handler of records with options, made by [`route`].
///
/// The two parameters say which options are set. The compiler checks that the source can use all options of
/// its route.
#[derive(Clone, Debug)]
#[must_use]
pub struct Route<H, const CONCURRENT: bool = false, const WHOLE_BATCH: bool = false> {
    handler: H,
    options: RouteOptions,
}

/// The options of a route.
#[derive(Clone, Copy, Debug)]
pub struct RouteOptions {
    /// How many records are handled at the same time.
    pub(in crate::pipeline) concurrency: usize,
    /// Whether one failed record fails the whole batch.
    pub(in crate::pipeline) whole_batch: bool,
}

impl Default for RouteOptions {
    fn default() -> Self {
        Self { concurrency: 1, whole_batch: false }
    }
}

/// Wraps a handler, so that options can be set. A handler without options needs no `route`.
///
/// # Examples
///
/// ```
/// use funcify::pipeline::{Pipeline, Problem, S3Object, SqsRecord, route, via};
///
/// async fn on_order(order: SqsRecord) -> Result<(), Problem> {
///     println!("{}", order.body);
///     Ok(())
/// }
///
/// async fn on_upload(upload: S3Object) -> Result<(), Problem> {
///     println!("{}", upload.key);
///     Ok(())
/// }
///
/// let pipeline = Pipeline::builder(())
///     .sqs("orders", route(on_order).concurrency(4))
///     .sqs("uploads", route(via::<S3Object, _>(on_upload)).whole_batch())
///     .build();
/// assert!(pipeline.is_ok());
/// ```
///
/// An option that the source cannot use does not compile, such as concurrency for S3:
///
/// ```compile_fail
/// # use funcify::pipeline::{Pipeline, Problem, S3Object, route};
/// # async fn on_upload(upload: S3Object) -> Result<(), Problem> { Ok(()) }
/// let pipeline = Pipeline::builder(()).s3("uploads", route(on_upload).concurrency(4)).build();
/// ```
pub fn route<H>(handler: H) -> Route<H> {
    Route { handler, options: RouteOptions::default() }
}

impl<H, const CONCURRENT: bool, const WHOLE_BATCH: bool> Route<H, CONCURRENT, WHOLE_BATCH> {
    /// Handles up to `concurrency` messages of a batch of SQS or Kafka at the same time. The default is 1.
    /// With 0, building the pipeline fails.
    ///
    /// The messages of one FIFO group, and the records of one partition, are still handled one after the
    /// other.
    pub fn concurrency(self, concurrency: usize) -> Route<H, true, WHOLE_BATCH> {
        let options = RouteOptions { concurrency, ..self.options };
        Route { handler: self.handler, options }
    }

    /// Fails the whole batch if one of its records fails. The source then delivers all records of the batch
    /// again. This option is for SQS, Kafka, Kinesis and DynamoDB streams.
    ///
    /// Use it if the event source mapping does not have `ReportBatchItemFailures`: without that setting, the
    /// source counts a batch with reported failures as a success.
    pub fn whole_batch(self) -> Route<H, CONCURRENT, true> {
        let options = RouteOptions { whole_batch: true, ..self.options };
        Route { handler: self.handler, options }
    }

    /// Handles the records with the same key once, however often they are delivered or sent. `key` computes
    /// the key from what the handler takes. If a producer may send an order twice, use the identifier of the
    /// order and not that of the message.
    ///
    /// A record whose key was handled before succeeds at once. If another invocation is working on the key,
    /// the record waits for it, by default up to 5 s
    /// ([`IdempotencyPolicy::wait`](crate::idempotency::IdempotencyPolicy::wait)) and never past the
    /// deadline.
    ///
    /// The record fails, and is delivered again, if the other invocation is not done by then, if the key was
    /// used with other content, or if the store cannot be reached. If the handler fails, the record is
    /// handled again.
    ///
    /// The handler gets the [`Claim`](crate::idempotency::Claim) with
    /// [`Invocation::attached`](crate::Invocation::attached).
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::{
    ///     Idempotency, Stores, pipeline::{Message, Pipeline, Problem, route}, testing::TestEvent,
    /// };
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Order {
    ///     id: String,
    /// }
    ///
    /// async fn on_order(order: Message<Order>) -> Result<(), Problem> {
    ///     println!("charged for {}", order.body.id);
    ///     Ok(())
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let stores = Stores::from_url("memory:").await?; // in production: Stores::from_env()
    /// let orders = Idempotency::new("orders", stores.idempotency.clone())?;
    /// let pipeline = Pipeline::builder(())
    ///     .sqs("orders", route(on_order).idempotent(&orders, |order: &Message<Order>| order.body.id.clone()))
    ///     .build()?;
    ///
    /// // The producer sends the order again, because it does not know that the first message has arrived.
    /// let batch = TestEvent::sqs("orders").record("1", r#"{"id":"7"}"#).record("2", r#"{"id":"7"}"#);
    /// assert!(batch.send(&pipeline).await?.failures().is_empty());
    /// assert_eq!((orders.metrics().executions, orders.metrics().replayed), (1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn idempotent<R, Id: Serialize, K: Fn(&R) -> Id>(
        self,
        idempotency: &Idempotency,
        key: K,
    ) -> Route<Idempotent<H, K>, CONCURRENT, WHOLE_BATCH> {
        let handler = Idempotent { handler: self.handler, idempotency: idempotency.clone(), key };
        Route { handler, options: self.options }
    }

    /// Handles each record once, however often it is delivered. The key is the identity that the source gave
    /// to the record: the message id of SQS and SNS, the id of an EventBridge event, the position in a stream
    /// or in a Kafka partition, the event of an S3 object.
    ///
    /// If a producer sends a message twice, there are two records with two keys. If that can happen, use
    /// [`idempotent`](Self::idempotent) with a key of your own. Everything else is as described there.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::{Idempotency, Stores, pipeline::{Pipeline, Problem, SqsRecord, route}, testing::TestEvent};
    ///
    /// async fn on_order(order: SqsRecord) -> Result<(), Problem> {
    ///     println!("{}", order.body);
    ///     Ok(())
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let stores = Stores::from_url("memory:").await?;
    /// let orders = Idempotency::new("orders", stores.idempotency.clone())?;
    /// let pipeline = Pipeline::builder(())
    ///     .sqs("orders", route(on_order).idempotent_by_id(&orders).concurrency(8))
    ///     .build()?;
    ///
    /// let batch = TestEvent::sqs("orders").record("1", "a kettle");
    /// for _ in 0..2 {
    ///     assert!(batch.clone().send(&pipeline).await?.failures().is_empty());
    /// }
    /// assert_eq!(orders.metrics().executions, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// The records of a window are handled together, so this does not compile:
    ///
    /// ```compile_fail
    /// # use funcify::{Idempotency, pipeline::{KinesisRecord, Pipeline, Problem, Window, route, windowed}};
    /// # fn pipeline(orders: &Idempotency) {
    /// # async fn count(window: Window<u64, KinesisRecord>) -> Result<u64, Problem> { Ok(0) }
    /// let pipeline = Pipeline::builder(()).kinesis("orders", route(windowed(count)).idempotent_by_id(orders)).build();
    /// # }
    /// ```
    pub fn idempotent_by_id(
        self,
        idempotency: &Idempotency,
    ) -> Route<Idempotent<H, OwnId>, CONCURRENT, WHOLE_BATCH> {
        let idempotency = idempotency.clone();
        let handler = Idempotent { handler: self.handler, idempotency, key: OwnId };
        Route { handler, options: self.options }
    }
}

/// A value that can become a route of the source `S`: a handler, or a [`Route`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot handle `{S}`",
    label = "expected `async fn([State<App>,] [Invocation,] record) -> Result<(), E>`, or `route(handler)`",
    note = "the record comes last, `State` has the type that the pipeline was built with",
    note = "`E` is a `Problem` or an error; for a boxed error use `.map_err(IntoProblem::into_problem)`",
    note = "the future must be `Send`: hold no `Rc` and no lock of std across an await"
)]
pub trait IntoRoute<App, S, Args> {
    /// The handler with its state, and the options of the route.
    fn into_route(self, app: App) -> (Calls<S>, RouteOptions);
}

/// How the handler of a route is called.
pub enum Calls<S> {
    /// Once for each record.
    Each(Call<S>),
    /// Once for all records of an event.
    Window(WindowCall<S>),
}

/// Leaves out the handler.
impl<S> fmt::Debug for Calls<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}

impl<App, S, R, Args, H> IntoRoute<App, S, (R, Args)> for H
where
    App: Clone + Send + Sync + 'static,
    S: Send + 'static,
    R: FromRecord<S>,
    H: RecordHandler<App, R, Args, Output = ()>,
{
    fn into_route(self, app: App) -> (Calls<S>, RouteOptions) {
        (Calls::Each(call(app, self)), RouteOptions::default())
    }
}

/// Separates the implementation for a [`Route`] from the one for a plain handler.
#[derive(Debug)]
pub enum WithOptions {}

impl<App, S, R, Args, H, const CONCURRENT: bool, const WHOLE_BATCH: bool>
    IntoRoute<App, S, (WithOptions, R, Args)> for Route<H, CONCURRENT, WHOLE_BATCH>
where
    App: Clone + Send + Sync + 'static,
    S: Options<CONCURRENT, WHOLE_BATCH> + Send + 'static,
    R: FromRecord<S>,
    H: RecordHandler<App, R, Args, Output = ()>,
{
    fn into_route(self, app: App) -> (Calls<S>, RouteOptions) {
        (Calls::Each(call(app, self.handler)), self.options)
    }
}

/// Separates the implementation for routes with a key from the others.
#[derive(Debug)]
pub enum WithKey {}

impl<App, S, R, Id, Args, H, K, const CONCURRENT: bool, const WHOLE_BATCH: bool>
    IntoRoute<App, S, (WithKey, R, Id, Args)> for Route<Idempotent<H, K>, CONCURRENT, WHOLE_BATCH>
where
    App: Clone + Send + Sync + 'static,
    S: Options<CONCURRENT, WHOLE_BATCH> + Redelivered + Send + 'static,
    R: FromRecord<S>,
    Id: Serialize,
    H: RecordHandler<App, R, Args, Output = ()>,
    K: Fn(&R) -> Id + Send + Sync + 'static,
{
    fn into_route(self, app: App) -> (Calls<S>, RouteOptions) {
        (Calls::Each(by_key(app, self.handler)), self.options)
    }
}

/// Separates the implementation for routes whose key is the identity of the record from the others.
#[derive(Debug)]
pub enum WithOwnId {}

impl<App, S, R, Args, H, const CONCURRENT: bool, const WHOLE_BATCH: bool>
    IntoRoute<App, S, (WithOwnId, R, Args)> for Route<Idempotent<H, OwnId>, CONCURRENT, WHOLE_BATCH>
where
    App: Clone + Send + Sync + 'static,
    S: Options<CONCURRENT, WHOLE_BATCH> + Redelivered + Send + 'static,
    R: FromRecord<S>,
    H: RecordHandler<App, R, Args, Output = ()>,
{
    fn into_route(self, app: App) -> (Calls<S>, RouteOptions) {
        (Calls::Each(by_own_id(app, self.handler)), self.options)
    }
}

/// Separates the implementation for a [`Windowed`] handler from the others.
#[derive(Debug)]
pub enum WithWindow {}

impl<App, S, St, Args, H> IntoRoute<App, S, (WithWindow, St, Args)> for Windowed<H>
where
    App: Clone + Send + Sync + 'static,
    S: Windows + Send + 'static,
    St: Serialize + DeserializeOwned + Default + Send + 'static,
    H: RecordHandler<App, Window<St, S>, Args, Output = St>,
{
    fn into_route(self, app: App) -> (Calls<S>, RouteOptions) {
        (Calls::Window(window_call(app, self.0)), RouteOptions::default())
    }
}

/// The sources that can have tumbling windows.
#[diagnostic::on_unimplemented(message = "only streams of Kinesis and DynamoDB have windows")]
pub trait Windows {}

impl Windows for KinesisRecord {}
impl Windows for DynamoDbRecord {}

/// Which options a source of records can use.
#[diagnostic::on_unimplemented(
    message = "a route of `{Self}` cannot use these options",
    note = "`concurrency` is for SQS and Kafka; `whole_batch` is for them, Kinesis and DynamoDB streams"
)]
pub trait Options<const CONCURRENT: bool, const WHOLE_BATCH: bool> {}

impl<const CONCURRENT: bool, const WHOLE_BATCH: bool> Options<CONCURRENT, WHOLE_BATCH>
    for SqsRecord
{
}
impl<const WHOLE_BATCH: bool> Options<false, WHOLE_BATCH> for KinesisRecord {}
impl<const WHOLE_BATCH: bool> Options<false, WHOLE_BATCH> for DynamoDbRecord {}
impl<const CONCURRENT: bool, const WHOLE_BATCH: bool> Options<CONCURRENT, WHOLE_BATCH>
    for KafkaRecord
{
}
impl Options<false, false> for S3Object {}
impl Options<false, false> for SnsRecord {}
impl Options<false, false> for EventBridgeEvent {}
