//! What grows within a process: routes, records of a batch, bytes of a body, calls in a window.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use axum::{Json, Router, extract::Path, routing::get};
use funcify::{
    pipeline::{InvocationOutcome, Pipeline, Problem, SqsRecord},
    testing::TestEvent,
};
use funcify_backend_memory::MemoryBackend;
use funcify_core::{
    circuit::{CircuitBreaker, CircuitPolicy, CircuitRecord, CircuitStateProvider},
    engine::{Clock, SystemClock, circuit::Bucket},
    register::{RecordName, RetryingRegister, Swap, WriteId},
};
use funcify_test_support::HookedCircuits;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json, value::RawValue};

use funcify_benches::case::{Bench, Subject, lap};

use crate::point::Point;

pub(crate) fn points(bench: &Bench) -> Vec<Point> {
    let mut points = Vec::new();
    for routes in [1, 10, 100, 1_000] {
        let event = TestEvent::get(&format!("/r{}/orders/7", routes - 1)).to_string();
        let subject = processed(bench, pipeline(routes), event);
        points.push(Point::new("an event, by routes", routes, subject));
    }
    for bytes in [100, 1_000, 10_000, 100_000] {
        let body = json!({ "text": "a \"b\" ".repeat(bytes / 6) }).to_string();
        let event = TestEvent::post("/r0/orders/7").header("content-type", "application/json");
        let subject = processed(bench, pipeline(100), event.body(body).to_string());
        points.push(Point::new("an event, by bytes of its body", bytes as u64, subject));
    }
    for records in [1_u64, 10, 100, 1_000, 10_000] {
        let event = TestEvent::sqs("orders");
        let event = (0..records).fold(event, |event, id| event.record(&id.to_string(), "a kettle"));
        let subject = processed(bench, pipeline(100), event.to_string());
        points.push(
            Point::new("a message of a batch, by messages", records, subject).per_part(records),
        );
    }
    for calls in [2_000, 10_000, 100_000, 1_000_000] {
        let subject = rate(bench, calls);
        points.push(Point::new(
            "a call in a circuit, by calls in the window",
            calls.into(),
            subject,
        ));
    }
    points
}

/// With so many routes, and a queue.
pub(crate) fn pipeline(routes: u64) -> Pipeline {
    let order = async |Path(id): Path<u32>| -> Json<Value> { Json(json!({ "id": id })) };
    let router = (0..routes).fold(Router::new(), |router, n| {
        router.route(&format!("/r{n}/orders/{{id}}"), get(order).post(async |_: String| "made"))
    });
    let message = async |order: SqsRecord| {
        black_box(order);
        Ok::<(), Problem>(())
    };
    Pipeline::builder(()).http(router).sqs("orders", message).build().expect("expected a pipeline")
}

/// An event from its bytes to the bytes of the output.
pub(crate) async fn process(pipeline: &Pipeline, event: &str, context: Context) -> usize {
    let text: Box<RawValue> = serde_json::from_slice(black_box(event.as_bytes())).expect("JSON");
    let processed = pipeline.process(LambdaEvent::new(text, context)).await;
    assert_eq!(processed.outcome, InvocationOutcome::Handled);
    let output = processed.result.expect("expected an output");
    serde_json::to_vec(&output).expect("expected JSON").len()
}

/// As Lambda's runtime makes it.
pub(crate) fn context() -> Context {
    LambdaEvent::from(&TestEvent::from(Value::Null)).context
}

fn processed(bench: &Bench, pipeline: Pipeline, event: String) -> Subject {
    let bench = bench.clone();
    Box::new(move |operations| {
        let mut contexts: Vec<_> = (0..operations).map(|_| context()).collect();
        Some(bench.block_on(lap(operations, async || {
            process(&pipeline, &event, contexts.pop().unwrap_or_default()).await
        })))
    })
}

/// A call of a circuit with a rate rule and `calls` in its window. A lap in which the store was asked does not count: one call
/// in so many reports.
fn rate(bench: &Bench, calls: u32) -> Subject {
    let (bench, name) = (bench.clone(), RecordName::try_from("bench").expect("expected a name"));
    Box::new(move |operations| {
        bench.block_on(async {
            let asked = Arc::new(AtomicU64::new(0));
            let (reads, writes) = (Arc::clone(&asked), Arc::clone(&asked));
            let store = Arc::new(RetryingRegister::new(MemoryBackend::new()));
            let bucket =
                Bucket { at: SystemClock.now(), calls, reports: calls, ..Bucket::default() };
            let mut record = CircuitRecord::default();
            record.buckets = vec![bucket];
            let written = store.update_state(&name, None, WriteId::random(), &record).await;
            assert!(matches!(written, Ok(Swap::Applied(_))));
            let store = HookedCircuits::over(store)
                .on_read(move |read| {
                    reads.fetch_add(1, Relaxed);
                    async move { read.send().await }
                })
                .on_write(move |write| {
                    writes.fetch_add(1, Relaxed);
                    async move { write.send().await }
                });
            let circuit =
                CircuitBreaker::new(name.clone(), CircuitPolicy::default(), Arc::new(store));
            let circuit = circuit.expect("expected a circuit");
            let call = async || {
                let called = circuit.call(async || Ok::<u32, ()>(7)).await;
                assert!(called.is_ok());
            };
            // The first one looks at the store.
            call().await;
            let before = asked.load(Relaxed);
            // Of 2,000 calls in a window one in eighteen is reported: more in a row would hardly ever be without.
            let sample = lap(operations.min(32), call).await;
            (asked.load(Relaxed) == before).then_some(sample)
        })
    })
}
