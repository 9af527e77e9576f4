//! What an event costs in allocations, from its bytes to the answer's. A binary of its own: the
//! count is the process's.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and what it prints is its figure"
)]

use std::{alloc::System, hint::black_box};

use axum::{Json, Router, extract::Path, routing::get};
use funcify::{
    pipeline::{Outcome, Pipeline, Problem, S3Object},
    testing,
};
use lambda_runtime::LambdaEvent;
use serde_json::{Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

async fn order(Path(id): Path<u32>) -> Json<Value> {
    Json(json!({ "id": id }))
}

fn hundred_routes() -> Pipeline {
    let routes = (0..100).map(|n| format!("/r{n}/orders/{{id}}"));
    let router = routes.fold(Router::new(), |router, path| {
        router.route(&path, get(order).post(async |_: String| "made"))
    });
    let upload = async |object: S3Object| {
        black_box(object);
        Ok::<(), Problem>(())
    };
    Pipeline::builder(()).http(router).s3("uploads", upload).build().unwrap()
}

/// The fewest allocations of an event in some tries: another thread may allocate too.
async fn fewest(pipeline: &Pipeline, bytes: &str) -> usize {
    let mut fewest = usize::MAX;
    for _ in 0..20 {
        let context = testing::context(std::time::Duration::from_secs(30));
        let region = Region::new(ALLOCATOR);
        let event = LambdaEvent::new(serde_json::from_str(bytes).unwrap(), context);
        let processed = pipeline.process(event).await;
        let answer = serde_json::to_vec(processed.result.as_ref().unwrap()).unwrap();
        let allocations = region.change().allocations;
        assert_eq!(processed.outcome, Outcome::Handled, "{}", String::from_utf8_lossy(&answer));
        fewest = fewest.min(allocations);
    }
    fewest
}

#[tokio::test]
async fn an_event_costs_no_more_allocations_than_it_may() {
    let pipeline = hundred_routes();
    for (name, text, most) in [
        ("REST v1, 2.8 KB", include_str!("inputs/sized/rest-v1.json"), 80),
        ("HTTP v2, 1.3 KB", include_str!("inputs/sized/http-v2.json"), 55),
        ("HTTP v2, POST of 3 KB", include_str!("inputs/sized/http-v2-post.json"), 55),
        ("VPC Lattice v2, 1 KB", include_str!("inputs/sized/vpc-lattice-v2.json"), 55),
        ("S3, 0.9 KB", include_str!("inputs/sized/s3.json"), 20),
    ] {
        let allocations = fewest(&pipeline, text).await;
        println!("{name} ({} bytes): {allocations} allocations of {most}", text.len());
        assert!(allocations <= most, "{name}: {allocations} allocations");
    }
}

#[tokio::test]
async fn a_handler_that_allocates_is_seen_by_the_count() {
    let hoard = async || {
        let boxes: Vec<Box<u64>> = (0..200).map(Box::new).collect();
        black_box(boxes);
    };
    let pipeline = Pipeline::builder(()).http(Router::new().fallback(hoard)).build().unwrap();
    let allocations = fewest(&pipeline, include_str!("inputs/sized/http-v2.json")).await;
    assert!(allocations > 200, "only {allocations} counted");
}
