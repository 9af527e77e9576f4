use std::{marker::PhantomData, sync::Arc};

use crate::pipeline::invocation::Invocation;
use crate::pipeline::records::eventbridge::EventBridgeEvent;
use crate::pipeline::records::handler::{FromRecord, RecordHandler};
use crate::pipeline::records::payload::Payload;
use crate::pipeline::records::record::Record;
use crate::pipeline::records::restriction::Restriction;
use crate::pipeline::records::s3::{S3Object, objects_of_notification};
use crate::pipeline::records::sns::{Notification, SnsRecord};
use crate::pipeline::records::text::RecordText;
use crate::problem::Problem;

/// A handler for the content of an envelope.
#[derive(Debug)]
pub struct Via<I, H> {
    handler: H,
    inside: PhantomData<fn() -> I>,
}

impl<I, H: Clone> Clone for Via<I, H> {
    fn clone(&self) -> Self {
        Self { handler: self.handler.clone(), inside: PhantomData }
    }
}

/// Opens envelopes, and calls `handler` once for each record in them. An envelope is a message that contains
/// a notification of another source.
///
/// The type says what the envelopes contain: [`S3Object`], [`SnsRecord`] or [`EventBridgeEvent`]. For an
/// envelope in an envelope, use `via` in `via`. All records of an envelope are tried. If the handler fails
/// for any of them, the message with the envelope fails.
///
/// [`AccessPolicy::allow_source`](crate::AccessPolicy::allow_source) can restrict the buckets and topics of the
/// records inside.
///
/// # Examples
///
/// ```
/// use funcify::{pipeline::{Pipeline, Problem, S3Object, SnsRecord, via}, testing::TestEvent};
///
/// async fn on_upload(object: S3Object) -> Result<(), Problem> {
///     assert_eq!(object.key, "a b.txt");
///     Ok(())
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let pipeline = Pipeline::builder(())
///     .sqs("uploads-queue", via::<S3Object, _>(on_upload))
///     .sqs("fanned-out", via::<SnsRecord, _>(via::<S3Object, _>(on_upload)))
///     .build()?;
/// let notification = TestEvent::s3("uploads", "a+b.txt").to_string();
/// let batch = TestEvent::sqs("uploads-queue").record("1", notification);
/// assert!(batch.send(&pipeline).await?.failures().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub fn via<I: Inside, H>(handler: H) -> Via<I, H> {
    Via { handler, inside: PhantomData }
}

/// What an envelope can contain.
#[diagnostic::on_unimplemented(
    message = "an envelope cannot contain `{Self}`",
    note = "it can contain `S3Object`, `SnsRecord` or `EventBridgeEvent`"
)]
pub trait Inside: Sized + Send + 'static {
    /// Reads the records in the payload.
    ///
    /// # Errors
    ///
    /// If the payload contains something else.
    fn open(payload: &Arc<str>) -> Result<Vec<Self>, Problem>;

    /// The service that the record comes from, and the ARN of its source in that service.
    fn source(&self) -> (&'static str, &str);
}

impl Inside for S3Object {
    fn open(payload: &Arc<str>) -> Result<Vec<Self>, Problem> {
        objects_of_notification(payload)
    }

    fn source(&self) -> (&'static str, &str) {
        ("s3", self.arn())
    }
}

impl Inside for SnsRecord {
    fn open(payload: &Arc<str>) -> Result<Vec<Self>, Problem> {
        let notification: Notification = serde_json::from_str(payload).map_err(|error| {
            Problem::bad_request("expected a notification of SNS").caused_by(&error)
        })?;
        let mut record = Self::from(notification);
        record.keep(RecordText::in_envelope(payload, payload));
        Ok(vec![record])
    }

    fn source(&self) -> (&'static str, &str) {
        ("sns", self.arn())
    }
}

impl Inside for EventBridgeEvent {
    fn open(payload: &Arc<str>) -> Result<Vec<Self>, Problem> {
        let mut event: Self = serde_json::from_str(payload).map_err(|error| {
            Problem::bad_request("expected an event of EventBridge").caused_by(&error)
        })?;
        event.keep(RecordText::in_envelope(payload, payload));
        Ok(vec![event])
    }

    fn source(&self) -> (&'static str, &str) {
        ("events", self.arn())
    }
}

impl<App, I, H, R, Args> RecordHandler<App, Payload, (I, R, Args)> for Via<I, H>
where
    App: Clone + Send + 'static,
    I: Inside + 'static,
    R: FromRecord<I> + 'static,
    H: RecordHandler<App, R, Args, Output = ()>,
    Args: 'static,
{
    type Output = ();

    async fn handle(
        self,
        app: App,
        invocation: Invocation,
        payload: Payload,
    ) -> Result<(), Problem> {
        let mut result = Ok(());
        let restriction = invocation.attached::<Restriction>();
        for inside in I::open(&payload.0)? {
            let (service, arn) = inside.source();
            let allowed = restriction.map_or(Ok(()), |it| it.check_inner(service, arn));
            let handled = match allowed.and_then(|()| R::from_record(inside)) {
                Ok(record) => {
                    let handler = self.handler.clone();
                    handler.handle(app.clone(), invocation.clone(), record).await
                }
                Err(problem) => Err(problem),
            };
            // After a failure the other records are handled too, so that they do not wait for the next
            // delivery.
            result = result.and(handled);
        }
        result
    }
}
