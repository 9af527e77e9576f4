use std::{fmt, marker::PhantomData};

use crate::pipeline::records::s3::notified;
use crate::pipeline::records::sns::Notification;
use crate::pipeline::records::{EventBridgeEvent, S3Object, SnsRecord};
use crate::pipeline::{FromRecord, Invocation, RecordHandler};
use crate::problem::Problem;

/// What an envelope holds.
#[derive(Clone)]
pub struct Payload(pub(super) String);

/// Without the payload.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload").finish_non_exhaustive()
    }
}

/// A handler for what an envelope holds; made by [`via_s3`], [`via_sns`], [`via_eventbridge`].
#[derive(Debug)]
pub struct Via<Inside, H> {
    handler: H,
    inside: PhantomData<fn() -> Inside>,
}

impl<Inside, H: Clone> Clone for Via<Inside, H> {
    fn clone(&self) -> Self {
        Self { handler: self.handler.clone(), inside: PhantomData }
    }
}

/// Opens messages that hold notifications of S3: a call an object, the message fails if any does.
///
/// # Examples
///
/// ```
/// use funcify::{pipeline::{Pipeline, Problem, S3Object, via_s3, via_sns}, testing};
///
/// async fn on_upload(object: S3Object) -> Result<(), Problem> {
///     assert_eq!(object.key, "a b.txt");
///     Ok(())
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let pipeline = Pipeline::builder(())
///     .sqs("uploads-queue", via_s3(on_upload))
///     .sqs("fanned-out", via_sns(via_s3(on_upload)))
///     .build()?;
/// let notification = testing::s3_put("uploads", "a+b.txt").json();
/// let batch = testing::sqs("uploads-queue").message("1", notification);
/// assert!(batch.send(&pipeline).await?.failures().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub fn via_s3<H>(handler: H) -> Via<S3Object, H> {
    Via { handler, inside: PhantomData }
}

/// Opens messages that hold notifications of SNS.
pub fn via_sns<H>(handler: H) -> Via<SnsRecord, H> {
    Via { handler, inside: PhantomData }
}

/// Opens messages that hold events of EventBridge.
pub fn via_eventbridge<H>(handler: H) -> Via<EventBridgeEvent, H> {
    Via { handler, inside: PhantomData }
}

/// What can stand in an envelope.
pub trait Inside: Sized + Send + 'static {
    /// Takes the payload apart.
    ///
    /// # Errors
    ///
    /// If it holds something else.
    fn open(payload: &str) -> Result<Vec<Self>, Problem>;
}

impl Inside for S3Object {
    fn open(payload: &str) -> Result<Vec<Self>, Problem> {
        notified(payload)
    }
}

impl Inside for SnsRecord {
    fn open(payload: &str) -> Result<Vec<Self>, Problem> {
        let notification: Notification = serde_json::from_str(payload).map_err(|error| {
            Problem::bad_request("expected a notification of SNS").caused_by(&error)
        })?;
        Ok(vec![notification.into()])
    }
}

impl Inside for EventBridgeEvent {
    fn open(payload: &str) -> Result<Vec<Self>, Problem> {
        let event = serde_json::from_str(payload).map_err(|error| {
            Problem::bad_request("expected an event of EventBridge").caused_by(&error)
        })?;
        Ok(vec![event])
    }
}

impl<App, I, H, R, Args> RecordHandler<App, Payload, (I, R, Args)> for Via<I, H>
where
    App: Clone + Send,
    I: Inside,
    R: FromRecord<I>,
    H: RecordHandler<App, R, Args, Output = ()>,
{
    type Output = ();

    async fn handle(
        &self,
        app: App,
        invocation: Invocation,
        payload: Payload,
    ) -> Result<(), Problem> {
        let mut result = Ok(());
        for inside in I::open(&payload.0)? {
            let handled = match R::from_record(inside) {
                Ok(record) => self.handler.handle(app.clone(), invocation.clone(), record).await,
                Err(problem) => Err(problem),
            };
            // All are tried: what one cannot do should not keep the others waiting.
            result = result.and(handled);
        }
        result
    }
}
