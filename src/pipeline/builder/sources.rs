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
    /// A name may end in `*`: `uploads.*`. The route with the longest literal name wins, and a complete name
    /// wins over every `*`. Names of buckets are global, so anyone can own a bucket whose name begins like
    /// yours. To take objects only from your own buckets, name them with
    /// [`AccessPolicy::allow_source`](crate::AccessPolicy::allow_source).
    ///
    /// The handler is called once for each object of an event. If it fails for any object, the invocation
    /// fails, and Lambda [retries](https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html) the
    /// whole event.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::{pipeline::{Pipeline, Problem, S3Object}, testing::TestEvent};
    ///
    /// async fn on_upload(upload: S3Object) -> Result<(), Problem> {
    ///     assert_eq!(upload.key, "a b.txt");
    ///     Ok(())
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let pipeline = Pipeline::builder(()).s3("uploads", on_upload).build()?;
    /// assert!(TestEvent::s3("uploads", "a+b.txt").send(&pipeline).await.is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn s3<Args>(mut self, bucket: &str, handler: impl IntoRoute<App, S3Object, Args>) -> Self {
        let route = handler.into_route(self.app.clone());
        self.routes.s3.push(bucket, route);
        self
    }

    /// Sets a function that computes the name by which an S3 object is routed. The default is the name of the
    /// bucket.
    ///
    /// It applies to all S3 routes. Objects in envelopes are routed by the queue or topic of their envelope
    /// instead.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::{pipeline::{Pipeline, Problem, S3Object}, testing::TestEvent};
    ///
    /// async fn on_invoice(_: S3Object) -> Result<(), Problem> {
    ///     Ok(())
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let folder = |object: &S3Object| object.key.split('/').next().unwrap_or_default().to_owned();
    /// let pipeline = Pipeline::builder(()).s3_route_key(folder).s3("invoices", on_invoice).build()?;
    /// assert!(TestEvent::s3("uploads", "invoices/7.pdf").send(&pipeline).await.is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
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
    /// A name may end in `*`. Messages are handled in order, one at a time unless the route has
    /// [`concurrency`](crate::pipeline::Route::concurrency). In a FIFO queue a failure stops its message
    /// group.
    ///
    /// The output names the messages that failed. The event source mapping **must** have
    /// [`ReportBatchItemFailures`](https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html),
    /// otherwise SQS deletes the failed messages too. If the mapping cannot have it, use
    /// [`whole_batch`](crate::pipeline::Route::whole_batch).
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

    /// Routes SNS notifications by the name of their topic. A name may end in `*`.
    ///
    /// If the handler fails, the invocation fails, and Lambda retries the event.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::{pipeline::{Pipeline, Problem, SnsRecord}, testing::TestEvent};
    ///
    /// async fn on_alarm(alarm: SnsRecord) -> Result<(), Problem> {
    ///     assert_eq!(alarm.message, "disk full");
    ///     Ok(())
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let pipeline = Pipeline::builder(()).sns("alarms", on_alarm).build()?;
    /// assert!(TestEvent::sns("alarms", "disk full").send(&pipeline).await.is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn sns<Args>(mut self, topic: &str, handler: impl IntoRoute<App, SnsRecord, Args>) -> Self {
        let route = handler.into_route(self.app.clone());
        self.routes.sns.push(topic, route);
        self
    }

    /// Routes EventBridge events by their detail type. A name may end in `*`.
    ///
    /// The handler takes an [`EventBridgeEvent<T>`](EventBridgeEvent), where `T` is the type of the detail.
    /// If the handler fails, the invocation fails, and Lambda retries the event.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::{pipeline::{EventBridgeEvent, Pipeline, Problem}, testing::TestEvent};
    /// use serde_json::json;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Order {
    ///     id: String,
    /// }
    ///
    /// async fn on_order(event: EventBridgeEvent<Order>) -> Result<(), Problem> {
    ///     assert_eq!(event.detail.id, "7");
    ///     Ok(())
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let pipeline = Pipeline::builder(()).eventbridge("Order Placed", on_order).build()?;
    /// let event = TestEvent::eventbridge("shop", "Order Placed", json!({ "id": "7" }));
    /// assert!(event.send(&pipeline).await.is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn eventbridge<Args>(
        mut self,
        detail_type: &str,
        handler: impl IntoRoute<App, EventBridgeEvent, Args>,
    ) -> Self {
        let route = handler.into_route(self.app.clone());
        self.routes.eventbridge.push(detail_type, route);
        self
    }

    /// Routes the records of a DynamoDB stream by the name of the table. A name may end in `*`.
    ///
    /// Records are handled in order, up to the first failure. The output reports the first failed record, and
    /// the stream continues from it. The event source mapping **must** have
    /// [`ReportBatchItemFailures`](https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html).
    /// If the mapping cannot have it, use [`whole_batch`](crate::pipeline::Route::whole_batch).
    ///
    /// For tumbling windows, see [`windowed`](crate::pipeline::windowed).
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::{pipeline::{DynamoDbRecord, Pipeline, Problem}, testing::TestEvent};
    ///
    /// async fn on_change(change: DynamoDbRecord) -> Result<(), Problem> {
    ///     assert_eq!(change.event_name, "INSERT");
    ///     Ok(())
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let pipeline = Pipeline::builder(()).dynamodb_stream("orders", on_change).build()?;
    /// let batch = TestEvent::dynamodb_stream("orders").record("1", "a kettle");
    /// assert!(batch.send(&pipeline).await?.failures().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn dynamodb_stream<Args>(
        mut self,
        table: &str,
        handler: impl IntoRoute<App, DynamoDbRecord, Args>,
    ) -> Self {
        let route = handler.into_route(self.app.clone());
        self.routes.dynamodb.push(table, route);
        self
    }

    /// Routes the records of a Kinesis stream by the name of the stream. A name may end in `*`.
    ///
    /// Records are handled in order, up to the first failure. The output reports the first failed record, and
    /// the stream continues from it. The event source mapping **must** have
    /// [`ReportBatchItemFailures`](https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html).
    /// If the mapping cannot have it, use [`whole_batch`](crate::pipeline::Route::whole_batch).
    ///
    /// For tumbling windows, see [`windowed`](crate::pipeline::windowed).
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::{pipeline::{KinesisRecord, Pipeline, Problem}, testing::TestEvent};
    ///
    /// async fn on_reading(reading: KinesisRecord) -> Result<(), Problem> {
    ///     if reading.data == b"broken" { Err(Problem::bad_request("expected a reading")) } else { Ok(()) }
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let pipeline = Pipeline::builder(()).kinesis("meters", on_reading).build()?;
    /// let batch = TestEvent::kinesis("meters").record("1", "20").record("2", "broken").record("3", "21");
    /// assert_eq!(batch.send(&pipeline).await?.failures(), ["2"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn kinesis<Args>(
        mut self,
        stream: &str,
        handler: impl IntoRoute<App, KinesisRecord, Args>,
    ) -> Self {
        let route = handler.into_route(self.app.clone());
        self.routes.kinesis.push(stream, route);
        self
    }

    /// Routes the records of Kafka (Amazon MSK, or a cluster of your own) by the name of their topic. A name
    /// may end in `*`.
    ///
    /// The records of a partition are handled in order, up to the first failure. The output names the records
    /// that failed by partition and offset. The event source mapping **must** have
    /// [`ReportBatchItemFailures`](https://docs.aws.amazon.com/lambda/latest/dg/kafka-retry-configurations.html),
    /// otherwise failed records are not delivered again. If the mapping cannot have it, use
    /// [`whole_batch`](crate::pipeline::Route::whole_batch).
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::{pipeline::{KafkaRecord, Pipeline, Problem}, testing::TestEvent};
    ///
    /// async fn on_click(click: KafkaRecord) -> Result<(), Problem> {
    ///     assert_eq!(click.value.as_deref(), Some(&b"home"[..]));
    ///     Ok(())
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let pipeline = Pipeline::builder(()).kafka("clicks", on_click).build()?;
    /// let batch = TestEvent::kafka("clicks").record("41", "home");
    /// assert!(batch.send(&pipeline).await?.failures().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn kafka<Args>(
        mut self,
        topic: &str,
        handler: impl IntoRoute<App, KafkaRecord, Args>,
    ) -> Self {
        let route = handler.into_route(self.app.clone());
        self.routes.kafka.push(topic, route);
        self
    }

    /// Routes whole events by a predicate. What the handler returns becomes the output of the function, as
    /// JSON.
    ///
    /// Use it for direct invocations, and [`event_of`](Self::event_of) for the events of a service. The
    /// handler takes an [`Event`], or an axum `Json<T>`. The predicates are asked in the order in which you
    /// add the routes, for each event that no other kind of route takes. `name` is the route in the log and
    /// the metrics.
    ///
    /// # Examples
    ///
    /// ```
    /// use axum::Json;
    /// use funcify::{pipeline::{Event, Pipeline, Problem}, testing::TestEvent};
    /// use serde_json::json;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Sum {
    ///     numbers: Vec<i64>,
    /// }
    ///
    /// async fn sum(Json(sum): Json<Sum>) -> Result<i64, Problem> {
    ///     Ok(sum.numbers.iter().sum())
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let is_sum = |event: &Event| event.text().contains("numbers");
    /// let pipeline = Pipeline::builder(()).event("sum", is_sum, sum).build()?;
    /// let output = TestEvent::from(json!({ "numbers": [1, 2, 3] })).send(&pipeline).await?;
    /// assert_eq!(serde_json::to_string(&output)?, "6");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
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

    /// Sets a handler for the events and records that no route takes.
    ///
    /// Without this handler they fail with `NO_MATCHING_ROUTE`. If the pipeline has a router, HTTP requests
    /// without a route go to the fallback of the router instead.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::{pipeline::{Pipeline, Problem, Unmatched}, testing::TestEvent};
    /// use serde_json::json;
    ///
    /// async fn ignore(event: Unmatched) -> Result<(), Problem> {
    ///     println!("no route takes an event of the kind {}", event.kind);
    ///     Ok(())
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let pipeline = Pipeline::builder(()).unmatched(ignore).build()?;
    /// assert!(TestEvent::from(json!({ "ping": true })).send(&pipeline).await.is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
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
