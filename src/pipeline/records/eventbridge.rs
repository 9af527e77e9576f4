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

/// An event of an EventBridge bus. `T` is the type of its detail.
///
/// It is routed by its detail type, which determines the format of the detail.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct EventBridgeEvent<T = Box<RawValue>> {
    /// Its identifier.
    #[serde(default, deserialize_with = "or_default")]
    pub id: String,
    /// The service or application that sent it.
    pub source: String,
    /// The type of its detail.
    pub detail_type: String,
    /// When it happened, in the format of EventBridge.
    #[serde(default, deserialize_with = "or_default")]
    pub time: String,
    /// The resources that it concerns. For a schedule, the rule. Whoever sends an event writes them.
    #[serde(default, deserialize_with = "or_default")]
    pub resources: Vec<String>,
    /// What happened.
    pub detail: T,
    /// The account that it comes from.
    #[serde(default, deserialize_with = "or_default")]
    pub account: String,
    /// The region that it comes from.
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

/// Shows no detail.
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

    /// None that can be trusted: whoever sends an event writes its `resources`.
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
        let detail = typed(event.detail.get())
            .map_err(|error| Problem::bad_request("expected another detail").caused_by(&error))?;
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
