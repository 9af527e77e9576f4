//! Log lines in JSON, `{timestamp, level, event, request_id, …}`, or as text with the same fields.

use std::{env, fmt, fmt::Write as _, io::Write as _};

use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    fmt::{
        MakeWriter,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    layer::Context,
    registry::LookupSpan,
};

/// Writes each log event as one line, with the fields of the spans around it.
#[derive(Debug)]
pub(crate) struct LogLines<W> {
    pub(crate) format: LogFormat,
    pub(crate) writer: W,
}

/// The format of the lines. `Text` is `TIMESTAMP LEVEL EVENT field=value …`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Json,
    Text,
}

impl LogFormat {
    /// The format in `AWS_LAMBDA_LOG_FORMAT`, `Text` or `JSON`. JSON if it is not set.
    pub(crate) fn from_env() -> Self {
        let configured = env::var("AWS_LAMBDA_LOG_FORMAT");
        let is_text = configured.is_ok_and(|format| format.eq_ignore_ascii_case("text"));
        if is_text { Self::Text } else { Self::Json }
    }

    fn write(self, fields: &Map<String, Value>) -> Option<Vec<u8>> {
        let mut line = match self {
            Self::Json => serde_json::to_vec(fields).ok()?,
            Self::Text => text(fields).ok()?.into_bytes(),
        };
        line.push(b'\n');
        Some(line)
    }
}

/// The members that every line has, in the order in which a line of text shows them.
const FIRST: [&str; 3] = ["timestamp", "level", "event"];

fn text(fields: &Map<String, Value>) -> Result<String, fmt::Error> {
    let mut line = String::new();
    for name in FIRST {
        let value = fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let separator = if line.is_empty() { "" } else { " " };
        // A message with line breaks would become several log entries.
        write!(line, "{separator}{}", value.replace('\n', "\\n"))?;
    }
    for (name, value) in fields.iter().filter(|(name, _)| !FIRST.contains(&name.as_str())) {
        match value.as_str() {
            Some(word) if is_plain(word) => write!(line, " {name}={word}")?,
            _ => write!(line, " {name}={value}")?,
        }
    }
    Ok(line)
}

/// Whether a value needs no quotes.
fn is_plain(word: &str) -> bool {
    !word.is_empty()
        && word.chars().all(|c| !c.is_whitespace() && !c.is_control() && !"\"=".contains(c))
}

/// The fields of a span.
struct Fields(Map<String, Value>);

impl<S, W> Layer<S> for LogLines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Map::new();
        attributes.record(&mut Collect(&mut fields));
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Fields(fields));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(Fields(fields)) = span.extensions_mut().get_mut()
        {
            values.record(&mut Collect(fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Map::new();
        let mut time = String::new();
        if SystemTime.format_time(&mut Writer::new(&mut time)).is_ok() {
            line.insert("timestamp".to_owned(), time.into());
        }
        line.insert("level".to_owned(), event.metadata().level().as_str().into());
        line.insert("event".to_owned(), event.metadata().name().into());
        line.insert("target".to_owned(), event.metadata().target().into());
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(Fields(fields)) = span.extensions().get() {
                line.extend(fields.clone());
            }
        }
        event.record(&mut Collect(&mut line));
        if let Some(line) = self.format.write(&line) {
            // A log that cannot be written must not fail the function.
            let _ = self.writer.make_writer().write_all(&line);
        }
    }
}

/// Collects fields. The message becomes the field `event`.
struct Collect<'a>(&'a mut Map<String, Value>);

impl Collect<'_> {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        let name = if field.name() == "message" { "event" } else { field.name() };
        self.0.insert(name.to_owned(), value.into());
    }
}

impl Visit for Collect<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use funcify_test_support::LogCapture;
    use lambda_runtime::LambdaEvent;
    use serde_json::json;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::pipeline::{FirehoseRecord, Kind, Pipeline, SqsRecord, Transformed};
    use crate::problem::Problem;
    use crate::testing::{TestEvent, deadline_in};

    fn logged(work: impl Future<Output = ()>) -> Vec<Value> {
        let lines = written(LogFormat::Json, work);
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn written(format: LogFormat, work: impl Future<Output = ()>) -> String {
        let log = LogCapture::new();
        let layer = LogLines { format, writer: log.writer() };
        let subscriber = tracing_subscriber::registry().with(layer);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        tracing::subscriber::with_default(subscriber, || runtime.block_on(work));
        log.text()
    }

    fn without_times(mut line: Value) -> Value {
        let members = line.as_object_mut().unwrap();
        assert!(
            members.remove("timestamp").is_some_and(|time| time.as_str().unwrap().ends_with('Z'))
        );
        assert!(members.remove("target").is_some());
        assert_eq!(members.remove("duration_ms").is_some(), members["event"] == "end");
        line
    }

    #[test]
    fn an_event_logs_one_line_when_it_starts_and_one_when_it_ends() {
        let lines = logged(async {
            let hello = async || {
                tracing::info!(order = 7, "looked up");
                "hello"
            };
            let router = axum::Router::new().route("/hello/{id}", axum::routing::get(hello));
            let pipeline = Pipeline::builder(()).http(router).build().unwrap();
            let event = TestEvent::http(Kind::RestV1, http::Method::GET, "/hello/1");
            event.send(&pipeline).await.unwrap();
        });
        let request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";
        assert_eq!(
            lines.into_iter().map(without_times).collect::<Vec<_>>(),
            [
                json!({ "level": "INFO", "event": "start", "request_id": request_id,
                    "kind": "apigw-rest-v1", "cold_start": true }),
                json!({ "level": "INFO", "event": "looked up", "request_id": request_id,
                    "order": 7 }),
                json!({ "level": "INFO", "event": "end", "request_id": request_id,
                    "kind": "apigw-rest-v1", "route": "/hello/{id}", "outcome": "handled",
                    "status": 200, "cold_start": true }),
            ]
        );
    }

    #[test]
    fn the_end_line_of_a_failed_event_has_the_cause() {
        let lines = logged(async {
            let fails =
                async |_: SqsRecord| Err::<(), Problem>(std::io::Error::other("disk full").into());
            let pipeline = Pipeline::builder(()).sqs("orders", fails).build().unwrap();
            let batch = TestEvent::sqs("orders").record("1", "a").record("2", "b");
            batch.send(&pipeline).await.unwrap();
        });
        let end = lines.last().unwrap();
        assert_eq!((&end["level"], &end["outcome"]), (&json!("ERROR"), &json!("failed")));
        assert_eq!(
            end["error"],
            "2 of 2 records failed, the first: Internal Server Error: disk full"
        );
    }

    #[test]
    fn each_failed_record_has_a_line_with_its_id_route_and_reason() {
        let lines = logged(async {
            let fails = async |record: SqsRecord| match record.body.as_str() {
                "good" => Ok(()),
                _ => Err::<(), Problem>(std::io::Error::other("disk full").into()),
            };
            let pipeline = Pipeline::builder(()).sqs("orders", fails).build().unwrap();
            let batch = TestEvent::sqs("orders").record("1", "bad").record("2", "good");
            batch.record("3", "bad").send(&pipeline).await.unwrap();
        });
        let failed: Vec<_> = lines.iter().filter(|line| line["event"] == "record failed").collect();
        assert_eq!(failed.len(), 2, "{lines:?}");
        for (line, id) in failed.iter().zip(["1", "3"]) {
            assert_eq!((&line["record"], &line["route"]), (&json!(id), &json!("orders")));
            assert_eq!(line["error"], "Internal Server Error: disk full");
            assert!(line["request_id"].is_string(), "{line}");
        }
    }

    #[test]
    fn a_failed_record_of_firehose_has_the_same_line_whatever_the_reason() {
        let lines = logged(async {
            let fails = async |record: FirehoseRecord| {
                if record.data == b"hangs" {
                    std::future::pending::<()>().await;
                }
                Err::<Transformed, Problem>(std::io::Error::other("disk full").into())
            };
            let pipeline = Pipeline::builder(()).firehose("clicks", fails).build().unwrap();
            let event = TestEvent::firehose("clicks").record("1", "a").record("2", "b");
            let mut event: Value = serde_json::from_str(&event.to_string()).unwrap();
            event["records"][1]["data"] = json!("no base64!");
            TestEvent::from(event).send(&pipeline).await.unwrap();
            let event = TestEvent::firehose("clicks").record("3", "hangs").record("4", "late");
            let mut event = LambdaEvent::from(event);
            event.context.deadline = deadline_in(Duration::from_millis(700));
            pipeline.process(event).await.result.unwrap();
        });
        let failed: Vec<_> = lines.iter().filter(|line| line["event"] == "record failed").collect();
        let late = "Service Unavailable: the deadline of the invocation passed";
        let expected = [
            ("1", "Internal Server Error: disk full"),
            ("2", "Bad Request: expected data in base64"),
            ("3", late),
            ("4", late),
        ];
        assert_eq!(failed.len(), expected.len(), "{lines:?}");
        for (line, (id, reason)) in failed.into_iter().zip(expected) {
            assert_eq!((&line["level"], &line["record"]), (&json!("WARN"), &json!(id)));
            assert_eq!((&line["route"], &line["error"]), (&json!("clicks"), &json!(reason)));
        }
    }

    #[test]
    fn the_text_of_a_5xx_is_logged_and_not_sent() {
        let lines = logged(async {
            let fails = async || (http::StatusCode::BAD_GATEWAY, "the warehouse is on fire");
            let router = axum::Router::new().route("/", axum::routing::get(fails));
            let pipeline = Pipeline::builder(()).http(router).build().unwrap();
            let output = TestEvent::get("/").send(&pipeline).await.unwrap();
            let body = output.http().unwrap().body();
            assert!(!String::from_utf8_lossy(body).contains("fire"), "{body:?}");
        });
        let end = lines.last().unwrap();
        assert_eq!(
            (&end["outcome"], &end["error"]),
            (&json!("failed"), &json!("the warehouse is on fire"))
        );
    }

    #[test]
    fn a_request_that_is_refused_for_its_path_is_not_handled() {
        let lines = logged(async {
            let router = axum::Router::new().route("/", axum::routing::get(async || "ok"));
            let pipeline = Pipeline::builder(()).http(router).build().unwrap();
            TestEvent::get("/a/../b").send(&pipeline).await.unwrap();
        });
        let end = lines.last().unwrap();
        assert_eq!((&end["outcome"], &end["status"]), (&json!("refused"), &json!(400)));
    }

    #[test]
    fn a_line_of_text_has_the_same_fields() {
        let text = written(LogFormat::Text, async {
            tracing::info!(order = 7, who = "a b", empty = "", "looked\nup");
        });
        let (time, rest) = text.split_once(' ').unwrap();
        assert!(time.ends_with('Z'), "{text}");
        let target = module_path!();
        assert_eq!(
            rest,
            format!("INFO looked\\nup empty=\"\" order=7 target={target} who=\"a b\"\n")
        );
    }
}
