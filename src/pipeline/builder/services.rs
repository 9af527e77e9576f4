//! The routes of services that send one event, or that take a result for each record.

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::{RawValue, to_raw_value};

use crate::client::client;
use crate::pipeline::bounded::bounded;
use crate::pipeline::builder::PipelineBuilder;
use crate::pipeline::builder::error::Fault;
use crate::pipeline::event::Event;
use crate::pipeline::event::kind::Kind;
use crate::pipeline::records::authorizer::{AuthorizerRequest, Decision};
use crate::pipeline::records::custom_resource::{deadline_of_handler, respond};
use crate::pipeline::records::firehose::{self, FirehoseRecord, Transformed};
use crate::pipeline::records::handler::{Call, FromRecord, RecordHandler, call};
use crate::pipeline::records::routes::EventRoute;
use crate::problem::Problem;

impl<App: Clone + Send + Sync + 'static> PipelineBuilder<App> {
    /// Routes the events of one kind to a handler that takes the event as a `T`. What the handler returns
    /// becomes the output of the function, as JSON.
    ///
    /// Use it for the kinds without a method of their own: CloudWatch Logs, Cognito, AppSync, S3 Batch
    /// Operations, MQ, DocumentDB, SES, IoT, CodePipeline, Config, Connect and Lex. `T` and `R` are your own
    /// types, or those of the crate `aws_lambda_events`. For log events there is
    /// [`CloudWatchLogs`](crate::pipeline::CloudWatchLogs). If the event cannot be deserialized as a `T`, or
    /// the handler fails, the invocation fails.
    ///
    /// # Examples
    ///
    /// A trigger of Cognito gives the event back:
    ///
    /// ```
    /// use funcify::{pipeline::{Kind, Pipeline, Problem}, testing::TestEvent};
    /// use serde_json::{Value, json};
    ///
    /// async fn confirm(mut event: Value) -> Result<Value, Problem> {
    ///     event["response"]["autoConfirmUser"] = json!(true);
    ///     Ok(event)
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let pipeline = Pipeline::builder(()).event_of(Kind::Cognito, confirm).build()?;
    /// let output = TestEvent::of(Kind::Cognito).send(&pipeline).await?;
    /// assert!(serde_json::to_string(&output)?.contains(r#""autoConfirmUser":true"#));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn event_of<T, R, Args>(
        mut self,
        kind: Kind,
        handler: impl RecordHandler<App, T, Args, Output = R>,
    ) -> Self
    where
        T: DeserializeOwned + Send + 'static,
        R: Serialize + 'static,
    {
        let call = call::<_, Event, Typed<T>, _, _>(self.app.clone(), Unwrapped(handler));
        let to_json: Call<Event, Box<RawValue>> = Arc::new(move |invocation, event| {
            let result = call(invocation, event);
            Box::pin(async move { Ok(to_raw_value(&result.await?)?) })
        });
        let takes = Box::new(move |event: &Event| event.kind() == kind);
        self.routes.events.push(EventRoute { name: kind.as_str().into(), takes, call: to_json });
        self
    }

    /// Routes the requests of CloudFormation for a custom resource to a handler that takes the event as a
    /// `T`. funcify sends the response, for which the stack waits, to the `ResponseURL` in the event ("Custom
    /// resource reference" in the CloudFormation user guide).
    ///
    /// The handler returns the members `PhysicalResourceId`, `Data` and `NoEcho` of the response, as a type
    /// that becomes a JSON object. Return `()` if the response needs none of them. Without a
    /// `PhysicalResourceId`, an existing resource keeps the one that it has, and a new resource gets the
    /// `RequestId`. The response may have up to 4,096 bytes.
    ///
    /// If the handler fails, panics or returns too much, or if a guard refuses the event, the response is
    /// `FAILED`, with the detail of the [`Problem`] as the reason. The deadline of the handler is one second
    /// earlier than that of the invocation, so that the stack gets a response for a handler that takes too
    /// long. If less than two seconds are left, it is after half of the time. The invocation fails only if
    /// the response cannot be sent in three attempts. Lambda then invokes the function again.
    ///
    /// In the event of [`TestEvent::of`](crate::testing::TestEvent::of), nothing listens at the
    /// `ResponseURL`. A test replaces it with the URL of its own server.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::pipeline::{Pipeline, Problem};
    /// use serde_json::{Value, json};
    ///
    /// async fn bucket_policy(request: Value) -> Result<Value, Problem> {
    ///     match request["RequestType"].as_str() {
    ///         Some("Create") => Ok(json!({ "PhysicalResourceId": "policy-1", "Data": { "Name": "policy" } })),
    ///         _ => Ok(Value::Null),
    ///     }
    /// }
    ///
    /// assert!(Pipeline::builder(()).cloudformation(bucket_policy).build().is_ok());
    /// ```
    pub fn cloudformation<T, R, Args>(
        mut self,
        handler: impl RecordHandler<App, T, Args, Output = R>,
    ) -> Self
    where
        T: DeserializeOwned + Send + 'static,
        R: Serialize + Send + 'static,
    {
        let client = match client() {
            Ok(client) => client,
            Err(error) => {
                self.faults.push(Fault::Client(crate::error_chain(&error)));
                return self;
            }
        };
        let call = call::<_, Event, Typed<T>, _, _>(self.app.clone(), Unwrapped(handler));
        let of_refusals = client.clone();
        self.routes.refused = Some(Box::new(move |event, problem| {
            let client = of_refusals.clone();
            Box::pin(async move { respond(&client, &event, Err(problem)).await })
        }));
        let answer: Call<Event, Box<RawValue>> = Arc::new(move |invocation, event| {
            let (client, deadline) = (client.clone(), invocation.deadline());
            let work = call(invocation, event.clone());
            let handler = deadline_of_handler(deadline);
            let work = bounded(handler, async move { Ok(to_raw_value(&work.await?)?) });
            Box::pin(async move {
                respond(&client, &event, work.await).await?;
                Ok(RawValue::NULL.to_owned())
            })
        });
        let takes = Box::new(|event: &Event| event.kind() == Kind::CloudFormation);
        self.routes.events.push(EventRoute { name: "cloudformation".into(), takes, call: answer });
        self
    }

    /// Makes the function a Lambda authorizer for REST, HTTP and WebSocket APIs, and for AppSync. The handler
    /// decides for each request whether it is allowed.
    ///
    /// [`Invocation::caller`](crate::pipeline::Invocation::caller) identifies the caller: the
    /// [`authenticator`](Self::authenticator) of the pipeline verifies the token in the event. If the handler
    /// fails with the status 401 and without a `detail`, as `caller` does, the API answers 401. The output
    /// has the format that the gateway takes: a policy for REST and WebSocket APIs and for an HTTP API with
    /// payload format 1.0, and a simple response for payload format 2.0. So an HTTP API with payload format
    /// 2.0 needs `EnableSimpleResponses`.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::{Pipeline, pipeline::{AuthorizerRequest, Decision, Invocation, Problem}};
    ///
    /// async fn authorize(call: Invocation, _: AuthorizerRequest) -> Result<Decision, Problem> {
    ///     let caller = call.caller().await?;
    ///     Ok(Decision::allow(&caller.subject).with("scope", caller.permissions.join(" ")))
    /// }
    ///
    /// assert!(Pipeline::builder(()).authorizer(authorize).build().is_ok());
    /// ```
    pub fn authorizer<Args>(
        mut self,
        handler: impl RecordHandler<App, AuthorizerRequest, Args, Output = Decision>,
    ) -> Self {
        let call = call::<_, Event, AuthorizerRequest, _, _>(self.app.clone(), handler);
        let answer: Call<Event, Box<RawValue>> = Arc::new(move |invocation, event| {
            let decision = call(invocation, event.clone());
            Box::pin(async move { decision.await?.answer(&event) })
        });
        let takes = Box::new(|event: &Event| event.kind() == Kind::Authorizer);
        self.routes.events.push(EventRoute { name: "authorizer".into(), takes, call: answer });
        self
    }

    /// Transforms the records of a Firehose stream, by the name of the delivery stream. The output has a
    /// result for each record, in the order of the event. If the handler fails for a record, that record is
    /// marked as failed, and Firehose delivers it to the error prefix. Records that there is no time for are
    /// marked as failed too.
    ///
    /// A name may end in `*`. The first matching route takes the event.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::pipeline::{FirehoseRecord, Pipeline, Problem, Transformed};
    ///
    /// async fn to_upper(record: FirehoseRecord) -> Result<Transformed, Problem> {
    ///     Ok(Transformed::Data(record.data.to_ascii_uppercase()))
    /// }
    ///
    /// assert!(Pipeline::builder(()).firehose("clicks", to_upper).build().is_ok());
    /// ```
    pub fn firehose<R, Args>(
        mut self,
        stream: &str,
        handler: impl RecordHandler<App, R, Args, Output = Transformed>,
    ) -> Self
    where
        R: FromRecord<FirehoseRecord>,
    {
        let call = call(self.app.clone(), handler);
        self.routes.events.push(firehose::route(stream, call));
        self
    }
}

/// An event that is deserialized as a `T`.
struct Typed<T>(T);

impl<T: DeserializeOwned + Send> FromRecord<Event> for Typed<T> {
    fn from_record(event: Event) -> Result<Self, Problem> {
        let parsed = serde_json::from_str(event.text());
        let expected =
            || Problem::bad_request("the event is not of the type that the handler takes");
        parsed.map(Self).map_err(|error| expected().caused_by(&error))
    }
}

/// A handler of `T`s as a handler of [`Typed`] events.
#[derive(Clone)]
struct Unwrapped<H>(H);

impl<App, T, Args, H> RecordHandler<App, Typed<T>, Args> for Unwrapped<H>
where
    App: Send,
    T: Send,
    H: RecordHandler<App, T, Args>,
{
    type Output = H::Output;

    fn handle(
        self,
        app: App,
        invocation: crate::pipeline::Invocation,
        Typed(event): Typed<T>,
    ) -> impl Future<Output = Result<Self::Output, Problem>> + Send + 'static {
        self.0.handle(app, invocation, event)
    }
}
