//! An event from its bytes to the bytes of the output, through a router of a hundred routes.

use std::{convert::Infallible, hint::black_box};

use aws_lambda_events::event::s3::S3Event;
use axum::{Json, Router, extract::Path, routing::get};
use funcify::{
    pipeline::{InvocationOutcome, Pipeline, Problem, S3Object},
    testing::TestEvent,
};
use lambda_http::{Adapter, request::LambdaRequest, tower::Service};
use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json, value::RawValue};

use funcify_benches::case::{Bench, Case, Subject, lap};

const REST: &str = include_str!("../../tests/inputs/sized/rest-v1.json");
const HTTP: &str = include_str!("../../tests/inputs/sized/http-v2.json");
const POST: &str = include_str!("../../tests/inputs/sized/http-v2-post.json");
const LATTICE: &str = include_str!("../../tests/inputs/sized/vpc-lattice-v2.json");
const S3: &str = include_str!("../../tests/inputs/sized/s3.json");
const S3_TEN: &str = include_str!("../../tests/inputs/sized/s3-ten.json");

pub(crate) fn cases(bench: &Bench) -> Vec<Case> {
    let case = |name, event| {
        let stage = if event == REST { "/prod" } else { "" };
        Case::new(name, ours(bench, event), "lambda_http and axum", theirs(bench, event, stage))
    };
    vec![
        case("pipeline, REST v1 of 2.8 KB", REST).at_most(0.43).allocations(60),
        case("pipeline, HTTP v2 of 1.3 KB", HTTP).at_most(0.41).allocations(50),
        case("pipeline, POST of 3 KB escaped", POST).at_most(0.55).allocations(50),
        case("pipeline, VPC Lattice v2 of 1 KB", LATTICE).at_most(0.38).allocations(50),
        s3(bench, "pipeline, S3 of 0.9 KB", S3, 1).at_most(1.3).allocations(20),
        s3(bench, "pipeline, S3 of ten records", S3_TEN, 10).at_most(1.3),
    ]
}

/// An event of S3, and its typed parse alone.
fn s3(bench: &Bench, name: &'static str, event: &'static str, records: usize) -> Case {
    let parse = bench.subject(async move || {
        let event: S3Event = serde_json::from_slice(black_box(event.as_bytes())).expect("S3");
        assert_eq!(event.records.len(), records);
        event
    });
    Case::new(name, ours(bench, event), "its typed parse alone", parse)
}

/// `prefix` is the stage of a REST API, which lambda_http keeps in the path.
fn hundred_routes(prefix: &str) -> Router {
    let order = async |Path(id): Path<u32>| -> Json<Value> { Json(json!({ "id": id })) };
    let paths = (0..100).map(|n| format!("{prefix}/r{n}/orders/{{id}}"));
    paths.fold(Router::new(), |router, path| {
        router.route(&path, get(order).post(async |_: String| "made"))
    })
}

/// The contexts that Lambda's runtime would make. They are made before the lap, since they cost both sides
/// the same.
fn contexts(operations: u32) -> Vec<Context> {
    let event = TestEvent::from(Value::Null);
    (0..operations).map(|_| LambdaEvent::from(&event).context).collect()
}

fn ours(bench: &Bench, event: &'static str) -> Subject {
    let upload = async |object: S3Object| {
        black_box(object);
        Ok::<(), Problem>(())
    };
    let pipeline = Pipeline::builder(()).http(hundred_routes("")).s3("uploads.*", upload).build();
    let (bench, pipeline) = (bench.clone(), pipeline.expect("expected a pipeline"));
    Box::new(move |operations| {
        let mut contexts = contexts(operations);
        Some(bench.block_on(lap(operations, async || {
            let text: Box<RawValue> =
                serde_json::from_slice(black_box(event.as_bytes())).expect("expected JSON");
            let event = LambdaEvent::new(text, contexts.pop().unwrap_or_default());
            let processed = pipeline.process(event).await;
            assert_eq!(processed.outcome, InvocationOutcome::Handled);
            let output = processed.result.expect("expected an output");
            serde_json::to_vec(&output).expect("expected JSON")
        })))
    })
}

fn theirs(bench: &Bench, event: &'static str, stage: &str) -> Subject {
    let router = hundred_routes(stage);
    let (bench, mut adapter) = (bench.clone(), Adapter::from(router));
    let mut length = None;
    Box::new(move |operations| {
        let mut contexts = contexts(operations);
        Some(bench.block_on(lap(operations, async || {
            let request: LambdaRequest =
                serde_json::from_slice(black_box(event.as_bytes())).expect("expected a request");
            let event = LambdaEvent::new(request, contexts.pop().unwrap_or_default());
            let result: Result<_, Infallible> = adapter.call(event).await;
            let output = result.unwrap_or_else(|never| match never {});
            let bytes = serde_json::to_vec(&output).expect("expected JSON");
            assert_eq!(bytes.len(), *length.get_or_insert_with(|| handled(&bytes)));
            bytes
        })))
    })
}

/// The length of an output that has the handler's response. All later outputs must have this length.
fn handled(output: &[u8]) -> usize {
    let parsed: Value = serde_json::from_slice(output).expect("expected JSON");
    assert_eq!(parsed["statusCode"], 200, "{parsed}");
    output.len()
}
