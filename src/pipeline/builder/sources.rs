//! The routes of records and of whole events.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::pipeline::builder::PipelineBuilder;
use crate::pipeline::event::Event;
use crate::pipeline::records::dynamodb::DynamoDbRecord;
use crate::pipeline::records::eventbridge::EventBridgeEvent;
use crate::pipeline::records::handler::{Call, FromRecord, RecordHandler, call};
use crate::pipeline::records::kafka::KafkaRecord;
use crate::pipeline::records::kinesis::KinesisRecord;
use crate::pipeline::records::route::IntoRoute;
use crate::pipeline::records::routes::EventRoute;
use crate::pipeline::records::s3::S3Object;
use crate::pipeline::records::sns::SnsRecord;
use crate::pipeline::records::sqs::SqsRecord;
use crate::pipeline::records::unmatched::Unmatched;

impl<App: Clone + Send + Sync + 'static> PipelineBuilder<App> {
    /// Routes S3 objects by the name of their bucket.
    ///
    /// A name may end in `*`: `uploads.*`. The route with the longest literal name wins. Names of buckets
    /// are global, so anyone can own a bucket whose name begins like yours. To take objects of your own
    /// buckets only, name them with [`AccessPolicy::allow_source`](crate::AccessPolicy::allow_source).
    ///
    /// The handler is called once for each object of an event. If it fails for any object, the invocation
    /// fails.
    pub fn s3<Args>(mut self, bucket: &str, handler: impl IntoRoute<App, S3Object, Args>) -> Self {
        let route = handler.into_route(self.app.clone());
        self.routes.s3.push(bucket, route);
        self
    }

    /// Computes the name by which an S3 object is routed, in place of the bucket's name.
    ///
    /// It chooses among all S3 routes, so it is an option of the pipeline and not of one route.
    pub fn s3_route_key(
        mut self,
        key: impl Fn(&S3Object) -> String + Send + Sync + 'static,
    ) -> Self {
        self.reject_second("s3_route_key", self.routes.s3_route_key.is_some());
        self.routes.s3_route_key = Some(Box::new(key));
        self
    }

    /// Routes SQS messages by the name of their queue.
    ///
    /// The output names the messages that failed. The event source mapping **must** have
    /// `ReportBatchItemFailures`, otherwise SQS deletes the failed messages too. If the mapping cannot
    /// have it, use [`whole_batch`](crate::pipeline::Route::whole_batch). In a FIFO queue a failure
    /// stops the message group.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::pipeline::{Message, Pipeline, Problem, route};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Order {
    ///     sku: String,
    /// }
    ///
    /// async fn on_order(order: Message<Order>) -> Result<(), Problem> {
    ///     println!("{}", order.body.sku);
    ///     Ok(())
    /// }
    ///
    /// let pipeline = Pipeline::builder(())
    ///     .sqs("orders", on_order)
    ///     .sqs("bulk-orders", route(on_order).concurrency(8))
    ///     .build();
    /// assert!(pipeline.is_ok());
    /// ```
    pub fn sqs<Args>(mut self, queue: &str, handler: impl IntoRoute<App, SqsRecord, Args>) -> Self {
        let route = handler.into_route(self.app.clone());
        self.routes.sqs.push(queue, route);
        self
    }

    /// Routes SNS notifications by the name of their topic.
    pub fn sns<Args>(mut self, topic: &str, handler: impl IntoRoute<App, SnsRecord, Args>) -> Self {
        let route = handler.into_route(self.app.clone());
        self.routes.sns.push(topic, route);
        self
    }

    /// Routes EventBridge events by their detail type.
    pub fn eventbridge<Args>(
        mut self,
        detail_type: &str,
        handler: impl IntoRoute<App, EventBridgeEvent, Args>,
    ) -> Self {
        let route = handler.into_route(self.app.clone());
        self.routes.eventbridge.push(detail_type, route);
        self
    }

    /// Routes the records of a DynamoDB stream by the name of the table.
    ///
    /// Records are handled in order, up to the first failure. The output reports that failure, and the
    /// stream continues from it. The event source mapping **must** have `ReportBatchItemFailures`. If it
    /// cannot have it, use [`whole_batch`](crate::pipeline::Route::whole_batch).
    pub fn dynamodb_stream<Args>(
        mut self,
        table: &str,
        handler: impl IntoRoute<App, DynamoDbRecord, Args>,
    ) -> Self {
        let route = handler.into_route(self.app.clone());
        self.routes.dynamodb.push(table, route);
        self
    }

    /// Routes the records of a Kinesis stream by the name of the stream.
    ///
    /// Records are handled in order, up to the first failure. The output reports that failure, and the
    /// stream continues from it. The event source mapping **must** have `ReportBatchItemFailures`. If it
    /// cannot have it, use [`whole_batch`](crate::pipeline::Route::whole_batch).
    pub fn kinesis<Args>(
        mut self,
        stream: &str,
        handler: impl IntoRoute<App, KinesisRecord, Args>,
    ) -> Self {
        let route = handler.into_route(self.app.clone());
        self.routes.kinesis.push(stream, route);
        self
    }

    /// Routes the records of Kafka by the name of their topic: of Amazon MSK and of a cluster of your own.
    ///
    /// The records of a partition are handled in order, up to the first failure. The output names the records that
    /// failed by partition and offset. The event source mapping **must** have `ReportBatchItemFailures`, otherwise
    /// failed records are not delivered again. If it cannot have it, use
    /// [`whole_batch`](crate::pipeline::Route::whole_batch).
    pub fn kafka<Args>(
        mut self,
        topic: &str,
        handler: impl IntoRoute<App, KafkaRecord, Args>,
    ) -> Self {
        let route = handler.into_route(self.app.clone());
        self.routes.kafka.push(topic, route);
        self
    }

    /// Routes whole events by a predicate. The handler's result is the function's output.
    ///
    /// Use it for direct invocations, and [`event_of`](Self::event_of) for the events of a service. The predicates are asked in
    /// order, for each event that no other kind of route takes. `name` appears in the log.
    pub fn event<R, Args, T>(
        mut self,
        name: &str,
        takes: impl Fn(&Event) -> bool + Send + Sync + 'static,
        handler: impl RecordHandler<App, R, Args, Output = T>,
    ) -> Self
    where
        R: FromRecord<Event>,
        T: Serialize + 'static,
    {
        let call = call(self.app.clone(), handler);
        let to_json: Call<Event, Box<RawValue>> = Arc::new(move |invocation, event| {
            let result = call(invocation, event);
            Box::pin(async move { Ok(to_raw_value(&result.await?)?) })
        });
        let route = EventRoute { name: name.into(), takes: Box::new(takes), call: to_json };
        self.routes.events.push(route);
        self
    }

    /// Takes the events and records that no route takes.
    ///
    /// Without it they fail with `NO_MATCHING_ROUTE`. HTTP requests without a route go to the router's
    /// fallback instead.
    pub fn unmatched<R, Args>(
        mut self,
        handler: impl RecordHandler<App, R, Args, Output = ()>,
    ) -> Self
    where
        R: FromRecord<Unmatched>,
    {
        self.reject_second("unmatched", self.routes.unmatched.is_some());
        self.routes.unmatched = Some(call(self.app.clone(), handler));
        self
    }
}
