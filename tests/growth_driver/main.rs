//! Runs each input that a caller or a store shapes at three sizes, for `tests/growth.rs`, which counts the instructions of
//! `measured` with callgrind. Prints a line for each count, in order.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for a test"
)]

mod callers;
mod events;
mod requests;
mod served;
mod services;
mod stores;

use std::{
    env,
    future::Future,
    pin::Pin,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use funcify::pipeline::{Pipeline, Processed};
use lambda_runtime::{Context, LambdaEvent};
use serde_json::value::RawValue;
use tokio::runtime::{Builder, Runtime};

/// Work that was prepared, and is now to be done.
type Work = Pin<Box<dyn Future<Output = ()>>>;

/// An input, by the size that its number of elements has at first, and how its work is prepared.
struct Case {
    name: &'static str,
    size: usize,
    prepare: Box<dyn Fn(usize) -> Work>,
}

fn case<F: Future<Output = ()> + 'static>(
    name: &'static str,
    size: usize,
    prepare: impl Fn(usize) -> F + 'static,
) -> Case {
    Case { name, size, prepare: Box::new(move |size| Box::pin(prepare(size))) }
}

fn main() {
    let only = env::args().nth(1);
    let cases =
        [events::cases(), requests::cases(), callers::cases(), stores::cases(), services::cases()];
    for case in cases.into_iter().flatten() {
        if only.as_ref().is_some_and(|only| !case.name.contains(only.as_str())) {
            continue;
        }
        for size in [case.size, 2 * case.size, 4 * case.size] {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let _entered = runtime.enter();
            // What is set up once in a process is not counted.
            runtime.block_on((case.prepare)(2));
            let work = (case.prepare)(size);
            println!("{}\t{size}", case.name);
            measured(&runtime, work);
            counted();
        }
    }
}

/// The count is zero when it begins.
#[inline(never)]
fn measured(runtime: &Runtime, work: Work) {
    runtime.block_on(work);
}

/// The count is written when it begins.
#[inline(never)]
fn counted() {
    std::hint::black_box(());
}

/// Later than anything here takes, however slow the machine that counts is.
fn much_later() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(3_600)
}

/// Lets the pipeline process the event, and then looks at what became of it.
fn processed(
    pipeline: Pipeline,
    event: String,
    look: impl Fn(&Processed) + 'static,
) -> impl Future<Output = ()> + 'static {
    let mut context = Context::default();
    context.deadline = u64::try_from(much_later().as_millis()).unwrap();
    async move {
        let event: Box<RawValue> = serde_json::from_str(&event).unwrap();
        let processed = pipeline.process(LambdaEvent::new(event, context)).await;
        look(&processed);
        drop(serde_json::to_vec(&processed.result.as_ref().ok()));
    }
}
