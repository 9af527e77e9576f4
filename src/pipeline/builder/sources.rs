//! The routes of events that are delivered rather than asked.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::pipeline::builder::{Last, PipelineBuilder};
use crate::pipeline::records::routes::{Call, EventRoute, Route, call};
use crate::pipeline::{
    DynamoDbRecord, Event, EventBridgeEvent, Fault, FromRecord, KinesisRecord, RecordHandler,
    S3Object, SnsRecord, SqsRecord, Unmatched,
};

impl<App: Clone + Send + Sync + 'static> PipelineBuilder<App> {
    /// Routes objects of S3 by the bucket's name up to its first dot.
    ///
    /// A name may end in `*`; the longest literal wins. All objects of an event are tried, the
    /// invocation fails if any of them did.
    pub fn s3<R, Args>(
        mut self,
        bucket: &str,
        handler: impl RecordHandler<App, R, Args, Output = ()>,
    ) -> Self
    where
        R: FromRecord<S3Object>,
    {
        self.routes.s3.push(bucket, call(self.app.clone(), handler));
        self.last = Some(Last::Other);
        self
    }

    /// Names objects of S3 for their routes in another way than by their bucket.
    pub fn s3_route_key(
        mut self,
        token: impl Fn(&S3Object) -> String + Send + Sync + 'static,
    ) -> Self {
        self.once("s3_route_key", self.s3_route_key.is_some());
        self.s3_route_key = Some(Box::new(token));
        self
    }

    /// Routes messages of SQS by the queue's name.
    ///
    /// The answer reports the messages that failed, so the event source mapping **must** have
    /// `ReportBatchItemFailures`: without it every failure would be acknowledged in silence. Where
    /// it cannot have it, say [`whole_batch`](Self::whole_batch). In a FIFO queue a failure stops
    /// its message group.
    pub fn sqs<R, Args>(
        mut self,
        queue: &str,
        handler: impl RecordHandler<App, R, Args, Output = ()>,
    ) -> Self
    where
        R: FromRecord<SqsRecord>,
    {
        self.routes.sqs.push(queue, call(self.app.clone(), handler));
        self.last = Some(Last::Sqs);
        self
    }

    /// Handles up to `concurrency` messages of the [`sqs`](Self::sqs) route before it at once.
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        if concurrency == 0 {
            self.faults.push(Fault::NoConcurrency);
        }
        match (self.last, self.routes.sqs.last()) {
            (Some(Last::Sqs), Some(route)) => route.concurrency = concurrency,
            _ => self.faults.push(Fault::Misplaced("concurrency")),
        }
        self
    }

    /// Fails the whole batch of the route before it if one record fails.
    ///
    /// For event source mappings without `ReportBatchItemFailures`.
    pub fn whole_batch(mut self) -> Self {
        let set = match self.last {
            Some(Last::Sqs) => whole(self.routes.sqs.last()),
            Some(Last::DynamoDb) => whole(self.routes.dynamodb.last()),
            Some(Last::Kinesis) => whole(self.routes.kinesis.last()),
            Some(Last::Other) | None => false,
        };
        if !set {
            self.faults.push(Fault::Misplaced("whole_batch"));
        }
        self
    }

    /// Routes notifications of SNS by the topic's name.
    pub fn sns<R, Args>(
        mut self,
        topic: &str,
        handler: impl RecordHandler<App, R, Args, Output = ()>,
    ) -> Self
    where
        R: FromRecord<SnsRecord>,
    {
        self.routes.sns.push(topic, call(self.app.clone(), handler));
        self.last = Some(Last::Other);
        self
    }

    /// Routes events of EventBridge by their detail type.
    pub fn eventbridge<R, Args>(
        mut self,
        detail_type: &str,
        handler: impl RecordHandler<App, R, Args, Output = ()>,
    ) -> Self
    where
        R: FromRecord<EventBridgeEvent>,
    {
        self.routes.eventbridge.push(detail_type, call(self.app.clone(), handler));
        self.last = Some(Last::Other);
        self
    }

    /// Routes records of a DynamoDB stream by the table's name.
    ///
    /// In order, up to the first failure, which the answer reports: the event source mapping
    /// **must** have `ReportBatchItemFailures`, else say [`whole_batch`](Self::whole_batch).
    pub fn dynamodb_stream<R, Args>(
        mut self,
        table: &str,
        handler: impl RecordHandler<App, R, Args, Output = ()>,
    ) -> Self
    where
        R: FromRecord<DynamoDbRecord>,
    {
        self.routes.dynamodb.push(table, call(self.app.clone(), handler));
        self.last = Some(Last::DynamoDb);
        self
    }

    /// Routes records of a Kinesis stream by the stream's name.
    ///
    /// In order, up to the first failure, which the answer reports: the event source mapping
    /// **must** have `ReportBatchItemFailures`, else say [`whole_batch`](Self::whole_batch).
    pub fn kinesis<R, Args>(
        mut self,
        stream: &str,
        handler: impl RecordHandler<App, R, Args, Output = ()>,
    ) -> Self
    where
        R: FromRecord<KinesisRecord>,
    {
        self.routes.kinesis.push(stream, call(self.app.clone(), handler));
        self.last = Some(Last::Kinesis);
        self
    }

    /// Routes whole events by a predicate, what the handler answers is the function's answer.
    ///
    /// For direct invocations, Cognito, Kafka, authorizers: asked in order for every event that
    /// none of the other kinds of routes is for. `name` is for the log.
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
        let answer: Call<Event, Box<RawValue>> = Arc::new(move |invocation, event| {
            let output = call(invocation, event);
            Box::pin(async move { Ok(to_raw_value(&output.await?)?) })
        });
        self.events.push(EventRoute { name: name.into(), takes: Box::new(takes), call: answer });
        self.last = Some(Last::Other);
        self
    }

    /// Takes what no route takes, events and records.
    ///
    /// Without it they fail, as `NO_MATCHING_ROUTE`. What no HTTP route takes is for the router's
    /// fallback.
    pub fn unmatched<R, Args>(
        mut self,
        handler: impl RecordHandler<App, R, Args, Output = ()>,
    ) -> Self
    where
        R: FromRecord<Unmatched>,
    {
        self.once("unmatched", self.unmatched.is_some());
        self.unmatched = Some(call(self.app.clone(), handler));
        self
    }
}

fn whole<S>(route: Option<&mut Route<S>>) -> bool {
    route.map(|route| route.whole_batch = true).is_some()
}
