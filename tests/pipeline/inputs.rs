//! Hostile inputs from `tests/inputs/events.json`. Each has its exact expected answer.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
};
use funcify::{
    Stores, error_chain,
    pipeline::{
        DynamoDbRecord, EventBridgeEvent, KinesisRecord, Pipeline, Problem, Processed, S3Object,
        SnsRecord, SqsRecord,
    },
};
use lambda_runtime::LambdaEvent;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::support::events;

#[derive(Deserialize)]
struct Inputs {
    bases: BTreeMap<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    /// The name of a base event, and the values that are set in it by JSON pointer.
    of: Option<String>,
    #[serde(default)]
    set: BTreeMap<String, Value>,
    /// Instead of a base event: the text of the event.
    text: Option<Text>,
    /// Instead of an event: the URL of a backend.
    backend: Option<String>,
    answer: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Plain(String),
    /// Pieces of text, each with the number of its repetitions.
    Repeated(Vec<(String, usize)>),
}

fn read(file: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/inputs/");
    std::fs::read_to_string(format!("{folder}{file}")).unwrap()
}

impl Inputs {
    fn read() -> Self {
        serde_json::from_str(&read("events.json")).unwrap()
    }

    fn text(&self, case: &Case) -> String {
        match (&case.of, &case.text) {
            (Some(base), None) => {
                let mut event = self.bases[base].clone();
                for (pointer, value) in &case.set {
                    set(&mut event, pointer, value);
                }
                event.to_string()
            }
            (None, Some(Text::Plain(text))) => text.clone(),
            (None, Some(Text::Repeated(pieces))) => {
                pieces.iter().map(|(piece, times)| piece.repeat(*times)).collect()
            }
            _ => panic!("{}: either a base or a text", case.name),
        }
    }
}

/// Sets the value at `pointer`. The last step of the pointer may be a new member.
fn set(event: &mut Value, pointer: &str, value: &Value) {
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    match event.pointer_mut(parent).unwrap() {
        Value::Array(items) if last.parse() == Ok(items.len()) => items.push(value.clone()),
        Value::Array(items) => items[last.parse::<usize>().unwrap()] = value.clone(),
        parent => parent[last] = value.clone(),
    }
}

/// The base events.
pub(super) fn bases() -> Vec<Value> {
    Inputs::read().bases.into_values().collect()
}

/// The text of every input that is an event.
pub(super) fn texts() -> Vec<String> {
    let inputs = Inputs::read();
    let events = inputs.cases.iter().filter(|case| case.backend.is_none());
    events.map(|case| inputs.text(case)).collect()
}

/// The records that reached the handlers.
type Saw = Arc<Mutex<Vec<String>>>;

/// A pipeline whose responses repeat the request.
fn echo(saw: &Saw) -> Pipeline {
    macro_rules! see {
        (|$record:ident: $kind:ty| $what:expr) => {
            async |State(saw): State<Saw>, $record: $kind| {
                saw.lock().unwrap().push($what);
                Ok::<(), Problem>(())
            }
        };
    }
    Pipeline::builder(Arc::clone(saw))
        .http(Router::new().fallback(echoed))
        .s3("b", see!(|object: S3Object| format!("{}: {:?}", object.bucket, object.key)))
        .sqs("q", see!(|record: SqsRecord| format!("{}: {:?}", record.id, record.body)))
        .sns("t", see!(|record: SnsRecord| format!("{}: {:?}", record.id, record.message)))
        .eventbridge(
            "Order Placed",
            see!(|event: EventBridgeEvent| format!("{}: {}", event.source, event.detail)),
        )
        .kinesis("s", see!(|record: KinesisRecord| record.data.escape_ascii().to_string()))
        .dynamodb_stream("t", see!(|record: DynamoDbRecord| record.event_name))
        .build()
        .unwrap()
}

async fn echoed(request: Request) -> String {
    let (parts, body) = request.into_parts();
    let mut answer = format!("{} {}", parts.method, parts.uri);
    let mut headers: Vec<_> = parts.headers.iter().collect();
    headers.retain(|(name, _)| name.as_str().starts_with("x-") || *name == "cookie");
    headers.sort_by_key(|(name, _)| name.as_str());
    for (name, value) in headers {
        answer += &format!(" {name}={}", value.as_bytes().escape_ascii());
    }
    let body: Bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    if !body.is_empty() {
        answer += &format!(" body={}", body.escape_ascii());
    }
    answer
}

async fn answer(text: String) -> String {
    let Ok(event) = serde_json::from_str::<Box<RawValue>>(&text) else {
        return "invalid JSON".to_owned();
    };
    let saw = Saw::default();
    let pipeline = echo(&saw);
    let context = events::context(Duration::from_secs(29));
    let processed = pipeline.process(LambdaEvent::new(event, context)).await;
    let Processed { kind, outcome, result, .. } = &processed;
    assert!(!format!("{processed:?}").contains("panicked"), "{text}");
    match result {
        Ok(output) => match output.http() {
            Some(response) => {
                let problem = serde_json::from_slice::<Value>(response.body()).ok();
                let detail = problem.as_ref().and_then(|problem| problem["detail"].as_str());
                let body = String::from_utf8_lossy(response.body());
                format!("{kind} {} {}", response.status().as_u16(), detail.unwrap_or(&body))
            }
            None => {
                let saw = saw.lock().unwrap();
                let seen: String = saw.iter().map(|what| format!(", saw {what}")).collect();
                format!("{kind} {outcome} {}{seen}", serde_json::to_string(output).unwrap())
            }
        },
        Err(error) => format!("{kind} {outcome} {}: {error}", error.kind),
    }
}

async fn opened(url: &str) -> String {
    let error = match Stores::from_url(url).await {
        Ok(_) => return "opened".to_owned(),
        Err(error) => error,
    };
    assert!(!format!("{error:?} {error}").contains("canary"), "{url} is shown");
    error_chain(&error)
}

#[tokio::test]
async fn every_hostile_input_has_its_exact_answer() {
    let inputs = Inputs::read();
    let mut names: Vec<_> = inputs.cases.iter().map(|case| &case.name).collect();
    names.sort();
    assert!(names.is_sorted_by(|a, b| a < b), "a name is repeated");
    let mut wrong = Vec::new();
    for case in &inputs.cases {
        let came = match &case.backend {
            Some(url) => opened(url).await,
            None => answer(inputs.text(case)).await,
        };
        // The position in the text depends on the order of members.
        let came = came.split(" at line ").next().unwrap().to_owned();
        if came != case.answer {
            wrong.push(serde_json::json!({ "name": case.name, "answer": came }).to_string());
        }
    }
    let tokens: Vec<Value> = serde_json::from_str(&read("jwt.json")).unwrap();
    println!("{} events and configurations, {} tokens", inputs.cases.len(), tokens.len());
    assert!(inputs.cases.len() + tokens.len() >= 400);
    assert!(wrong.is_empty(), "other answers came:\n{}", wrong.join("\n"));
}
