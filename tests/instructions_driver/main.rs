//! Processes one event of each kind that the benchmark has too, for `tests/instructions.rs`, which counts the instructions
//! of `measured` with callgrind. Prints a line for each count, in order.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for a test")]

use std::{
    hint::black_box,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{Json, Router, extract::Path, routing::get};
use funcify::pipeline::{InvocationOutcome, Pipeline, Problem, S3Object};
use lambda_runtime::{Context, LambdaEvent};
use serde::de::IgnoredAny;
use serde_json::{Value, json, value::RawValue};
use tokio::runtime::{Builder, Runtime};

const EVENTS: [(&str, &str); 5] = [
    ("REST v1", include_str!("../inputs/sized/rest-v1.json")),
    ("HTTP v2", include_str!("../inputs/sized/http-v2.json")),
    ("HTTP v2, POST", include_str!("../inputs/sized/http-v2-post.json")),
    ("S3", include_str!("../inputs/sized/s3.json")),
    ("S3, ten records", include_str!("../inputs/sized/s3-ten.json")),
];

/// What is set up at the first events of a process is not counted.
const WARM_UP: usize = 3;

fn main() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let pipeline = hundred_routes();
    for (name, event) in EVENTS {
        for (mutant, reads) in [("", 1), ("mutant: read twice, ", 2)] {
            for _ in 0..WARM_UP {
                runtime.block_on(process(&pipeline, event, reads));
            }
            println!("{mutant}{name}");
            measured(&runtime, &pipeline, event, reads);
            counted();
        }
    }
}

/// The count is zero when it begins.
#[inline(never)]
fn measured(runtime: &Runtime, pipeline: &Pipeline, event: &str, reads: usize) {
    runtime.block_on(process(pipeline, event, reads));
}

/// The count is written when it begins.
#[inline(never)]
fn counted() {
    black_box(());
}

/// From the bytes of the event to the bytes of the output. More than one read is what a mutant does.
async fn process(pipeline: &Pipeline, event: &str, reads: usize) {
    for _ in 1..reads {
        let _: IgnoredAny = serde_json::from_str(black_box(event)).unwrap();
    }
    let event: Box<RawValue> = serde_json::from_str(black_box(event)).unwrap();
    let processed = pipeline.process(LambdaEvent::new(event, context())).await;
    assert_eq!(processed.outcome, InvocationOutcome::Handled, "{:?}", processed.cause);
    black_box(serde_json::to_vec(&processed.result.unwrap()).unwrap());
}

fn context() -> Context {
    let later = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(600);
    let mut context = Context::default();
    context.deadline = u64::try_from(later.as_millis()).unwrap();
    context
}

fn hundred_routes() -> Pipeline {
    let order = async |Path(id): Path<u32>| -> Json<Value> { Json(json!({ "id": id })) };
    let paths = (0..100).map(|number| format!("/r{number}/orders/{{id}}"));
    let router = paths.fold(Router::new(), |router, path| {
        router.route(&path, get(order).post(async |_: String| "made"))
    });
    let upload = async |object: S3Object| {
        black_box(object);
        Ok::<(), Problem>(())
    };
    Pipeline::builder(()).http(router).s3("uploads.*", upload).build().unwrap()
}
