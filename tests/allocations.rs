//! The allocations of an event, from its bytes to the bytes of the output. This is a binary of its own,
//! because it counts the allocations of the whole process.

#![allow(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and what it prints is its figure"
)]

use std::{
    alloc::System,
    hint::black_box,
    task::{Context, Poll, Waker},
};

use axum::{Json, Router, extract::Path, routing::get};
use funcify::{
    CircuitBreaker, CircuitPolicy,
    pipeline::{
        DynamoDbRecord, EventBridgeEvent, FirehoseRecord, InvocationOutcome, KafkaRecord, Kind,
        KinesisRecord, Pipeline, Problem, S3Object, SnsRecord, SqsRecord, Transformed,
    },
    testing::TestEvent,
    token::{ClientCredentials, ClientSecret, Endpoint, Token, TokenGetter, TokenSource},
};
use funcify_backend_memory::MemoryBackend;
use funcify_core::register::RetryingRegister;
use funcify_test_support::{Counts, FakeGrant};
use lambda_runtime::LambdaEvent;
use serde_json::{Value, json, value::RawValue};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One test runs at a time, because all of them count the same allocations.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

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
    Pipeline::builder(()).http(router).s3("uploads.*", upload).build().unwrap()
}

/// The fewest allocations of an event in some tries, because another thread may allocate too.
async fn fewest(pipeline: &Pipeline, bytes: &str) -> usize {
    let mut fewest = usize::MAX;
    for _ in 0..20 {
        let context = LambdaEvent::from(&TestEvent::from(Value::Null)).context;
        let region = Region::new(ALLOCATOR);
        let event = LambdaEvent::new(serde_json::from_str(bytes).unwrap(), context);
        let processed = pipeline.process(event).await;
        let output = serde_json::to_vec(processed.result.as_ref().unwrap()).unwrap();
        let allocations = region.change().allocations;
        assert_eq!(
            processed.outcome,
            InvocationOutcome::Handled,
            "{}",
            String::from_utf8_lossy(&output)
        );
        fewest = fewest.min(allocations);
    }
    fewest
}

#[tokio::test]
async fn an_event_costs_no_more_allocations_than_allowed() {
    let _alone = ALONE.lock().await;
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

async fn getter() -> TokenGetter {
    let credentials = ClientCredentials::new(
        Endpoint::TokenUrl("https://login.example/token".to_owned()),
        "warehouse",
        ClientSecret::from("secret"),
    );
    let store = std::sync::Arc::new(RetryingRegister::new(MemoryBackend::default()));
    let getter = TokenGetter::builder(credentials, store).grant(FakeGrant::new()).build().unwrap();
    getter.token().await.unwrap();
    getter
}

/// The fewest allocations of a thousand hits.
async fn fewest_of_hits(use_it: impl Fn(&Token)) -> usize {
    let getter = getter().await;
    let mut fewest = usize::MAX;
    for _ in 0..20 {
        let region = Region::new(ALLOCATOR);
        for _ in 0..1_000 {
            let token = getter.token().await.unwrap();
            use_it(black_box(&token));
        }
        fewest = fewest.min(region.change().allocations);
    }
    fewest
}

#[tokio::test]
async fn a_token_in_memory_and_its_header_cost_no_allocation() {
    let _alone = ALONE.lock().await;
    let header = |token: &Token| drop(black_box(token.authorization().clone()));
    assert_eq!(fewest_of_hits(header).await, 0);
    let copy = |token: &Token| drop(black_box(token.expose().to_owned()));
    assert!(fewest_of_hits(copy).await >= 1_000, "the mutant must be caught");
}

/// The fewest allocations of a thousand calls through a closed circuit.
async fn fewest_of_calls(circuit: &CircuitBreaker) -> usize {
    let mut fewest = usize::MAX;
    for _ in 0..20 {
        let region = Region::new(ALLOCATOR);
        for _ in 0..1_000 {
            circuit.call(async || Ok::<u32, ()>(black_box(7))).await.unwrap();
        }
        fewest = fewest.min(region.change().allocations);
    }
    fewest
}

#[tokio::test]
async fn a_closed_circuit_and_a_token_in_memory_cost_no_allocation_while_they_are_counted() {
    let _alone = ALONE.lock().await;
    let counts = Counts::new();
    // The runtime of a test has one thread, which is this one.
    let _recorder = metrics::set_default_local_recorder(&counts);
    let store = std::sync::Arc::new(RetryingRegister::new(MemoryBackend::default()));
    let policy = CircuitPolicy::for_token_endpoint();
    let circuit = CircuitBreaker::new("counted", policy, store).unwrap();
    assert_eq!(fewest_of_calls(&circuit).await, 0);
    assert_eq!(fewest_of_hits(|_| ()).await, 0);
    let all = counts.all();
    assert_eq!(all["funcify.circuit.calls{circuit=counted,outcome=success}"], 20_000, "{all:?}");
    let hits = all.iter().find(|(name, _)| name.contains("source=memory")).unwrap();
    assert_eq!(*hits.1, 20_000, "{all:?}");
}

#[tokio::test]
async fn a_token_in_memory_is_ready_at_the_first_poll_on_many_threads() {
    let _alone = ALONE.lock().await;
    let getter = getter().await;
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                for _ in 0..10_000 {
                    let mut hit = std::pin::pin!(getter.token());
                    let mut context = Context::from_waker(Waker::noop());
                    let Poll::Ready(token) = hit.as_mut().poll(&mut context) else {
                        panic!("it waited for somebody");
                    };
                    assert_eq!(token.unwrap().source(), TokenSource::Memory);
                }
            });
        }
    });
}

#[tokio::test]
async fn the_count_sees_a_handler_that_allocates() {
    let _alone = ALONE.lock().await;
    let hoard = async || {
        let boxes: Vec<Box<u64>> = (0..200).map(Box::new).collect();
        black_box(boxes);
    };
    let pipeline = Pipeline::builder(()).http(Router::new().fallback(hoard)).build().unwrap();
    let allocations = fewest(&pipeline, include_str!("inputs/sized/http-v2.json")).await;
    assert!(allocations > 200, "only {allocations} counted");
}

/// How much memory is in use now, in bytes.
fn in_use() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

/// The most memory in use when a handler is called, beyond `before`.
static MOST: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

fn look() {
    MOST.fetch_max(in_use(), std::sync::atomic::Ordering::Relaxed);
}

/// The content of an event without a typed record, as one text of JSON.
type Owned = Box<RawValue>;

fn every_batch_source() -> Pipeline {
    macro_rules! looks {
        ($record:ty) => {
            async |record: $record| {
                look();
                drop(black_box(record));
                Ok::<(), Problem>(())
            }
        };
    }
    Pipeline::builder(())
        .sqs("a", looks!(SqsRecord))
        .sns("a", looks!(SnsRecord))
        .s3("a", looks!(S3Object))
        .kinesis("a", looks!(KinesisRecord))
        .dynamodb_stream("a", looks!(DynamoDbRecord))
        .kafka("a", looks!(KafkaRecord))
        .firehose("a", async |record: FirehoseRecord| {
            look();
            Ok::<_, Problem>(Transformed::Data(record.data))
        })
        .eventbridge("a", looks!(EventBridgeEvent))
        .event_of(Kind::Mq, looks!(Owned))
        .event_of(Kind::DocumentDb, looks!(Owned))
        .build()
        .unwrap()
}

/// Where an event of MQ has the messages of the queue `orders`.
const MESSAGES: &str = "/rmqMessagesByQueue/orders::~1";

/// An event of a service with one record, which holds `data`.
fn of_service(kind: Kind, list: &str, data: &str) -> TestEvent {
    let mut event: Value = serde_json::from_str(&TestEvent::of(kind).to_string()).unwrap();
    *event.pointer_mut(list).unwrap() = json!([{ "data": data }]);
    TestEvent::from(event)
}

/// An event of about 6 MB, which is the most that Lambda delivers.
fn six_megabytes(one: &TestEvent) -> String {
    let mut event: Value = serde_json::from_str(&one.to_string()).unwrap();
    let records = ["/Records", "/records/a-0", "/records", "/events", MESSAGES, "/detail/list"];
    let pointer = records.into_iter().find(|at| event.pointer(at).is_some_and(Value::is_array));
    let records = event.pointer_mut(pointer.unwrap()).unwrap().as_array_mut().unwrap();
    let mut record = records[0].clone();
    if record["eventSource"] == "aws:sqs" {
        // As long as SQS makes it.
        record["receiptHandle"] = "AQEB".repeat(85).into();
        record["md5OfBody"] = "098f6bcd4621d373cade4e832627b4f6".into();
        record["attributes"] = json!({
            "ApproximateReceiveCount": "1", "SentTimestamp": "1714564800000",
            "SenderId": "AROAEXAMPLEEXAMPLE:function", "ApproximateFirstReceiveTimestamp": "1714564800001",
        });
    }
    let count = 6 * 1024 * 1024 / (record.to_string().len() + 1);
    records.resize(count, record);
    event.to_string()
}

#[tokio::test]
async fn an_event_of_six_megabytes_takes_at_most_four_times_its_size() {
    let _alone = ALONE.lock().await;
    let pipeline = every_batch_source();
    let mut most_times = 0.0_f64;
    let sizes = [("small", "x".to_owned()), ("large", "x".repeat(60_000))];
    for (size, data) in &sizes {
        for (name, one) in [
            ("sqs", TestEvent::sqs("a").record("1", &**data)),
            ("sns", TestEvent::sns("a", &**data)),
            ("s3", TestEvent::s3("a", data)),
            ("kinesis", TestEvent::kinesis("a").record("1", &**data)),
            ("dynamodb", TestEvent::dynamodb_stream("a").record("1", &**data)),
            ("kafka", TestEvent::kafka("a").record("1", &**data)),
            ("firehose", TestEvent::firehose("a").record("1", &**data)),
            ("eventbridge", TestEvent::eventbridge("shop", "a", json!({ "list": [data] }))),
            ("mq", of_service(Kind::Mq, MESSAGES, data)),
            ("documentdb", of_service(Kind::DocumentDb, "/events", data)),
        ] {
            let text = six_megabytes(&one);
            let context = LambdaEvent::from(&TestEvent::from(Value::Null)).context;
            let before = in_use();
            MOST.store(0, std::sync::atomic::Ordering::Relaxed);
            let event = LambdaEvent::new(serde_json::from_str(&text).unwrap(), context);
            let processed = pipeline.process(event).await;
            assert_eq!(processed.outcome, InvocationOutcome::Handled, "{name}");
            let most = MOST.load(std::sync::atomic::Ordering::Relaxed).saturating_sub(before);
            let times = most as f64 / text.len() as f64;
            println!("{name}, {size} records: {times:.2} times {} bytes", text.len());
            most_times = most_times.max(times);
            assert!(times >= 1.0, "{name}, {size} records: {times:.2} times");
        }
    }
    assert!(most_times <= 4.0, "{most_times:.2} times");
}
