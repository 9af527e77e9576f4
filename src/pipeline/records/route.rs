//! A handler with the options of its route.

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};

use crate::pipeline::records::dynamodb::DynamoDbRecord;
use crate::pipeline::records::eventbridge::EventBridgeEvent;
use crate::pipeline::records::handler::{Call, FromRecord, RecordHandler, call};
use crate::pipeline::records::kafka::KafkaRecord;
use crate::pipeline::records::kinesis::KinesisRecord;
use crate::pipeline::records::s3::S3Object;
use crate::pipeline::records::sns::SnsRecord;
use crate::pipeline::records::sqs::SqsRecord;
use crate::pipeline::records::window::{Window, WindowCall, Windowed, window_call};

/// A handler of records with options, made by [`route`].
///
/// The two parameters say which options are set. A source accepts a route only if it can use all of
/// its options, which the compiler checks.
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

/// Gives a handler options. A handler without options needs no `route`.
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
/// An S3 notification has no use for concurrency:
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
    ///
    /// The messages of one FIFO group or one partition are still handled one after the other.
    pub fn concurrency(self, concurrency: usize) -> Route<H, true, WHOLE_BATCH> {
        let options = RouteOptions { concurrency, ..self.options };
        Route { handler: self.handler, options }
    }

    /// Fails the whole batch if one of its records fails. SQS and streams then deliver all of it again.
    ///
    /// Use it if the event source mapping does not have `ReportBatchItemFailures`.
    pub fn whole_batch(self) -> Route<H, CONCURRENT, true> {
        let options = RouteOptions { whole_batch: true, ..self.options };
        Route { handler: self.handler, options }
    }
}

/// What a route of the source `S` can be made of: a handler, or a [`Route`].
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

/// Shows no handler.
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
