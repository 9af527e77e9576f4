//! Log lines in JSON: `{ts, level, event, request_id, …}`.

use std::{fmt, io::Write};

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

/// Writes each log event as one line of JSON, with the fields of the spans around it.
#[derive(Debug)]
pub(crate) struct JsonLines<W>(pub(crate) W);

/// The fields of a span.
struct Fields(Map<String, Value>);

impl<S, W> Layer<S> for JsonLines<W>
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
            line.insert("ts".to_owned(), time.into());
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
        if let Ok(mut line) = serde_json::to_vec(&line) {
            line.push(b'\n');
            // A log that cannot be written must not fail the function.
            let _ = self.0.make_writer().write_all(&line);
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
    use funcify_test_support::LogCapture;
    use serde_json::json;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::pipeline::{Kind, Pipeline, SqsRecord};
    use crate::problem::Problem;
    use crate::testing::TestEvent;

    fn logged(work: impl Future<Output = ()>) -> Vec<Value> {
        let log = LogCapture::new();
        let layer = JsonLines(log.writer());
        let subscriber = tracing_subscriber::registry().with(layer);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        tracing::subscriber::with_default(subscriber, || runtime.block_on(work));
        log.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn without_times(mut line: Value) -> Value {
        let members = line.as_object_mut().unwrap();
        assert!(members.remove("ts").is_some_and(|ts| ts.as_str().unwrap().ends_with('Z')));
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
}
