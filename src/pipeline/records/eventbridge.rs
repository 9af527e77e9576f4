use std::fmt;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};

use crate::json::JsonError;
use crate::pipeline::event::Event;
use crate::pipeline::records::handler::FromRecord;
use crate::pipeline::records::idempotent::{Redelivered, content};
use crate::pipeline::records::raw_json::RawJson;
use crate::pipeline::records::record::{Record, Records, or_default};
use crate::pipeline::records::text::RecordText;
use crate::problem::Problem;

/// An event of an EventBridge bus. `T` is the type of its detail, by default its JSON text.
///
/// It is routed by its detail type, because that determines the format of the detail. A detail that is JSON
/// in a string, as EventBridge Scheduler sends it, is parsed too. See
/// [`PipelineBuilder::eventbridge`](crate::pipeline::PipelineBuilder::eventbridge) for an example.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct EventBridgeEvent<T = Box<RawValue>> {
    /// The identifier of the event.
    #[serde(default, deserialize_with = "or_default")]
    pub id: String,
    /// The service or application that sent the event.
    pub source: String,
    /// The type of the detail, such as `Order Placed`.
    pub detail_type: String,
    /// When it happened, in the format of EventBridge: `2026-05-01T10:00:00Z`.
    #[serde(default, deserialize_with = "or_default")]
    pub time: String,
    /// The ARNs of the resources that the event concerns. For a schedule, this is the rule. The sender of the
    /// event writes them, so they prove nothing.
    #[serde(default, deserialize_with = "or_default")]
    pub resources: Vec<String>,
    /// The detail: what happened.
    pub detail: T,
    /// The AWS account that the event comes from.
    #[serde(default, deserialize_with = "or_default")]
    pub account: String,
    /// The AWS region that the event comes from.
    #[serde(default, deserialize_with = "or_default")]
    pub region: String,
    #[serde(skip)]
    text: RecordText,
}

impl<T> RawJson for EventBridgeEvent<T> {
    fn raw(&self) -> &str {
        self.text.as_str()
    }
}

/// Leaves out the detail.
impl<T> fmt::Debug for EventBridgeEvent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBridgeEvent")
            .field("id", &self.id)
            .field("source", &self.source)
            .field("detail_type", &self.detail_type)
            .finish_non_exhaustive()
    }
}

impl Record for EventBridgeEvent {
    const ROUTE: &'static str = "eventbridge";
    const HAS_ARN: bool = false;
    const COLON_IN_NAME: bool = true;

    fn records(_: &Event) -> Result<Records<'_>, JsonError> {
        Ok(Records::Event)
    }

    fn keep(&mut self, text: RecordText) {
        self.text = text;
    }

    fn name(&self) -> &str {
        &self.detail_type
    }

    /// No ARN in the event can be trusted, because the sender writes its `resources`.
    fn arn(&self) -> &str {
        ""
    }
}

impl Redelivered for EventBridgeEvent {
    fn own_id(&self) -> Vec<&str> {
        vec![Self::ROUTE, &self.id]
    }

    fn content(&self) -> Value {
        json!([self.source, self.detail_type, content(self.detail.get().as_bytes())])
    }
}

impl<T: DeserializeOwned + Send> FromRecord<EventBridgeEvent> for EventBridgeEvent<T> {
    fn from_record(event: EventBridgeEvent) -> Result<Self, Problem> {
        let expected =
            || Problem::bad_request("the detail is not of the type that the handler takes");
        let detail = typed(event.detail.get()).map_err(|error| expected().caused_by(&error))?;
        let EventBridgeEvent {
            id,
            source,
            detail_type,
            time,
            resources,
            account,
            region,
            text,
            ..
        } = event;
        Ok(Self { id, source, detail_type, time, resources, detail, account, region, text })
    }
}

/// The detail as a `T`. EventBridge Scheduler sends JSON as a text: `"{}"`.
fn typed<T: DeserializeOwned>(detail: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str(detail).or_else(|error| match serde_json::from_str::<String>(detail) {
        Ok(content) => serde_json::from_str(&content).map_err(|_| error),
        Err(_) => Err(error),
    })
}
