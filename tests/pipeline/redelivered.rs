//! Idempotent routes: records that are delivered or sent more than once.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use funcify::idempotency::{Claim, IdempotencyPolicy};
use funcify::pipeline::{
    DynamoDbRecord, EventBridgeEvent, Invocation, InvocationOutcome, KinesisRecord, Message,
    Pipeline, PipelineBuilder, Problem, Processed, S3Object, SnsRecord, SqsRecord, route, via,
};
use funcify::register::RetryingRegister;
use funcify::testing::TestEvent;
use funcify::{Idempotency, Stores};
use funcify_backend_memory::MemoryBackend;
use funcify_core::conformance::{Fault, Faulty};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::support::events::{self, process_within};

const LAMBDA: Duration = Duration::from_secs(30);

/// What the handlers of all instances of the function did.
type Log = Arc<Mutex<Vec<String>>>;

fn noted(log: &Log) -> Vec<String> {
    std::mem::take(&mut *log.lock().unwrap())
}

/// Records `what`. Fails if it starts with "bad", and never ends if it is "hang".
async fn work(log: &Log, what: &str) -> Result<(), Problem> {
    log.lock().unwrap().push(what.to_owned());
    match what {
        "hang" => pending().await,
        "slow" => sleep(Duration::from_secs(2)).await,
        _ => {}
    }
    if what.starts_with("bad") { Err(Problem::bad_request("bad")) } else { Ok(()) }
}

async fn on_message(State(log): State<Log>, message: SqsRecord) -> Result<(), Problem> {
    work(&log, &message.body).await
}

/// Instances of a function on one store.
struct Fleet {
    memory: Arc<MemoryBackend>,
    log: Log,
}

/// One instance, and its connection to the store.
struct Instance {
    idempotency: Idempotency,
    connection: Faulty<MemoryBackend>,
    log: Log,
}

impl Fleet {
    fn new() -> Self {
        Self { memory: Arc::default(), log: Log::default() }
    }

    fn instance(&self) -> Instance {
        let connection = Faulty::new(Arc::clone(&self.memory));
        let store = Arc::new(RetryingRegister::new(connection.clone()));
        let idempotency = Idempotency::new("orders", store).unwrap();
        Instance { idempotency, connection, log: Arc::clone(&self.log) }
    }
}

impl Instance {
    fn builder(&self) -> PipelineBuilder<Log> {
        Pipeline::builder(Arc::clone(&self.log))
    }

    /// A function that handles each message of its queues once.
    fn queues(&self) -> Pipeline {
        let one = route(on_message).idempotent_by_id(&self.idempotency);
        let many = route(on_message).concurrency(2).idempotent_by_id(&self.idempotency);
        self.builder().sqs("orders", one).sqs("orders.fifo", many).build().unwrap()
    }
}

/// The event as SQS delivers it for the second time.
fn again(event: &TestEvent) -> TestEvent {
    let mut event = events::json(event);
    for record in event["Records"].as_array_mut().unwrap() {
        record["attributes"]["ApproximateReceiveCount"] = json!("2");
    }
    TestEvent::from(event)
}

fn failures(processed: &Processed) -> Vec<&str> {
    processed.result.as_ref().unwrap().failures().iter().map(String::as_str).collect()
}

/// For each source: its function, an event, and an event with another record that has the same content.
fn sources(instance: &Instance) -> Vec<(&'static str, Pipeline, TestEvent, TestEvent)> {
    async fn dynamodb(State(log): State<Log>, change: DynamoDbRecord) -> Result<(), Problem> {
        work(&log, &change.event_name).await
    }
    async fn kinesis(State(log): State<Log>, record: KinesisRecord) -> Result<(), Problem> {
        work(&log, &record.partition_key).await
    }
    async fn kafka(State(log): State<Log>, message: Message<Value>) -> Result<(), Problem> {
        work(&log, &message.id).await
    }
    async fn sns(State(log): State<Log>, record: SnsRecord) -> Result<(), Problem> {
        work(&log, &record.message).await
    }
    async fn bus(State(log): State<Log>, event: EventBridgeEvent<Value>) -> Result<(), Problem> {
        work(&log, &event.detail_type).await
    }
    async fn object(State(log): State<Log>, object: S3Object) -> Result<(), Problem> {
        work(&log, &object.key).await
    }
    let changed = |event: &TestEvent, path: &str, value: &str| {
        let mut event = events::json(event);
        *event.pointer_mut(path).unwrap() = json!(value);
        TestEvent::from(event)
    };
    let built = |builder: PipelineBuilder<Log>| builder.build().unwrap();
    let builder = || instance.builder();
    let by_id = &instance.idempotency;
    let (sent, put) = (TestEvent::sns("orders", "7"), TestEvent::s3("uploads", "7.pdf"));
    let event = TestEvent::eventbridge("shop", "placed", json!({"id": 7}));
    let notification = put.to_string();
    let enveloped = |id: &str| TestEvent::sqs("uploads").record(id, notification.clone());
    let batch = |empty: fn(&str) -> TestEvent, id: &str| empty("orders").record(id, "7");
    let route_of_kinesis = route(kinesis).whole_batch().idempotent_by_id(by_id);
    vec![
        (
            "sqs",
            built(builder().sqs("orders", route(on_message).idempotent_by_id(by_id))),
            batch(TestEvent::sqs, "1"),
            batch(TestEvent::sqs, "2"),
        ),
        (
            "kinesis",
            built(builder().kinesis("orders", route_of_kinesis)),
            batch(TestEvent::kinesis, "1"),
            batch(TestEvent::kinesis, "2"),
        ),
        (
            "dynamodb",
            built(builder().dynamodb_stream("orders", route(dynamodb).idempotent_by_id(by_id))),
            batch(TestEvent::dynamodb_stream, "1"),
            batch(TestEvent::dynamodb_stream, "2"),
        ),
        (
            "kafka",
            built(builder().kafka("orders", route(kafka).concurrency(2).idempotent_by_id(by_id))),
            batch(TestEvent::kafka, "1"),
            batch(TestEvent::kafka, "2"),
        ),
        (
            "sns",
            built(builder().sns("orders", route(sns).idempotent_by_id(by_id))),
            sent.clone(),
            changed(&sent, "/Records/0/Sns/MessageId", "another"),
        ),
        (
            "eventbridge",
            built(builder().eventbridge("placed", route(bus).idempotent_by_id(by_id))),
            event.clone(),
            changed(&event, "/id", "another"),
        ),
        (
            "s3",
            built(builder().s3("uploads", route(object).idempotent_by_id(by_id))),
            put.clone(),
            changed(&put, "/Records/0/s3/object/sequencer", "0A1B2C3D4E5F678902"),
        ),
        (
            "sqs<s3",
            built(
                builder().sqs("uploads", route(via::<S3Object, _>(object)).idempotent_by_id(by_id)),
            ),
            enveloped("3"),
            enveloped("4"),
        ),
    ]
}

#[tokio::test]
async fn a_record_of_each_source_that_is_delivered_again_is_handled_once() {
    let (fleet, mut handled) = (Fleet::new(), 0);
    let (one, other) = (fleet.instance(), fleet.instance());
    for ((source, first, event, another), (_, second, ..)) in
        sources(&one).into_iter().zip(sources(&other))
    {
        for (times, pipeline, event) in [
            (1, &first, &event),
            (0, &first, &event),
            (0, &second, &event),
            (1, &second, &another),
            (0, &first, &another),
        ] {
            let processed = pipeline.process(event.into()).await;
            assert_eq!(processed.outcome, InvocationOutcome::Handled, "{source}: {processed:?}");
            assert_eq!(noted(&fleet.log).len(), times, "{source}");
            handled += times;
        }
    }
    assert_eq!(handled, 16, "two records of each of eight sources");
    let (one, other) = (one.idempotency.metrics(), other.idempotency.metrics());
    assert_eq!((one.executions, other.executions), (8, 8));
    assert_eq!(one.replayed + other.replayed, 24);
}

/// For a message that SQS delivered before, funcify reads first, because one read is cheaper than a write
/// that conflicts.
#[tokio::test]
async fn what_was_delivered_before_is_read_first() {
    let fleet = Fleet::new();
    let instance = fleet.instance();
    let (pipeline, wire) = (instance.queues(), &instance.connection);
    let event = TestEvent::sqs("orders").record("1", "a kettle");
    for (event, operations) in [(&event, (0, 2)), (&event, (0, 3)), (&again(&event), (1, 3))] {
        assert!(failures(&pipeline.process(event.into()).await).is_empty());
        assert_eq!((wire.reads(), wire.swaps()), operations);
    }
    assert_eq!(noted(&fleet.log), ["a kettle"]);
}

#[tokio::test]
async fn of_a_batch_that_failed_in_part_only_the_failed_messages_are_handled_again() {
    let fleet = Fleet::new();
    let pipeline = fleet.instance().queues();
    let batch = ["a", "bad", "c"].iter().zip(["1", "2", "3"]);
    let batch = batch.fold(TestEvent::sqs("orders"), |batch, (body, id)| batch.record(id, *body));
    let processed = pipeline.process((&batch).into()).await;
    assert_eq!((failures(&processed), noted(&fleet.log)), (vec!["2"], strings(["a", "bad", "c"])));
    // Without a report of single failures, or after a failure of Lambda, SQS delivers all messages again.
    let processed = pipeline.process((&again(&batch)).into()).await;
    assert_eq!((failures(&processed), noted(&fleet.log)), (vec!["2"], strings(["bad"])));
}

fn strings<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

#[derive(Deserialize)]
struct Order {
    id: String,
}

/// The key is the id of the order. The producer sends the order twice, and once with other content. An empty
/// key is refused.
#[tokio::test]
async fn another_content_for_a_key_fails_its_message_and_no_other() {
    async fn on_order(State(log): State<Log>, order: Message<Order>) -> Result<(), Problem> {
        work(&log, &order.body.id).await
    }
    let fleet = Fleet::new();
    let instance = fleet.instance();
    let key = |order: &Message<Order>| ("order", order.body.id.clone());
    let orders = route(on_order).idempotent(&instance.idempotency, key).concurrency(4);
    let pipeline = instance.builder().sqs("orders", orders).build().unwrap();
    let batch = TestEvent::sqs("orders")
        .record("1", r#"{"id":"7","quantity":1}"#)
        .record("2", r#"{ "quantity":1, "id":"7" }"#)
        .record("3", r#"{"id":"7","quantity":2}"#)
        .record("4", r#"{"id":"8","quantity":2}"#)
        .record("5", r#"{"id":""}"#)
        .record("6", "invalid JSON");
    let processed = pipeline.process((&batch).into()).await;
    assert_eq!(
        (failures(&processed), noted(&fleet.log)),
        (vec!["3", "5", "6"], strings(["7", "8"]))
    );
    assert_eq!(instance.idempotency.metrics().mismatches, 1);
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_waits_for_the_first_and_succeeds_with_it() {
    let fleet = Fleet::new();
    let (one, other) = (fleet.instance(), fleet.instance());
    let event = TestEvent::sqs("orders").record("1", "slow");
    let (first, second) = (one.queues(), other.queues());
    let (first, second) =
        tokio::join!(first.process((&event).into()), second.process((&again(&event)).into()));
    assert!(failures(&first).is_empty() && failures(&second).is_empty());
    assert_eq!(noted(&fleet.log), ["slow"]);
    assert_eq!(
        (other.idempotency.metrics().waited, other.idempotency.metrics().executions),
        (1, 0)
    );
}

/// Another instance works on the first message of a group. The delivery that waits for it gives up before the
/// function is ended, and the other group is handled.
#[tokio::test(start_paused = true)]
async fn a_duplicate_that_waits_holds_up_its_group_and_not_past_the_deadline() {
    let batch = [("a1", "a", "hang"), ("a2", "a", "a2"), ("b1", "b", "b1"), ("b2", "b", "b2")];
    let batch = again(&events::fifo("orders.fifo", &batch));
    for (left, longest) in [(3, 2_800), (30, 5_100)] {
        let fleet = Fleet::new();
        let (holder, other) = (fleet.instance().queues(), fleet.instance().queues());
        let first = events::fifo("orders.fifo", &[("a1", "a", "hang")]);
        let first = tokio::spawn(async move { process_within(&first, &holder, LAMBDA).await });
        sleep(Duration::from_millis(10)).await;
        let began = Instant::now();
        let processed = process_within(&batch, &other, Duration::from_secs(left)).await;
        assert!(began.elapsed() < Duration::from_millis(longest), "{:?}", began.elapsed());
        assert_eq!(failures(&processed), ["a1", "a2"], "{left} s");
        assert_eq!(noted(&fleet.log), ["hang", "b1", "b2"], "{left} s");
        first.abort();
    }
}

/// In a queue without groups, the messages after it are tried until the deadline.
#[tokio::test(start_paused = true)]
async fn a_policy_without_a_wait_passes_over_what_is_in_progress() {
    let fleet = Fleet::new();
    let (holder, other) = (fleet.instance().queues(), fleet.instance());
    let mut policy = IdempotencyPolicy::default();
    policy.wait = Duration::ZERO;
    let at_once = other.idempotency.clone().policy(policy).unwrap();
    let at_once = route(on_message).idempotent_by_id(&at_once);
    let at_once = other.builder().sqs("orders", at_once).build().unwrap();
    let first = TestEvent::sqs("orders").record("1", "hang");
    let held = tokio::spawn(async move { process_within(&first, &holder, LAMBDA).await });
    sleep(Duration::from_millis(10)).await;
    let began = Instant::now();
    let batch = TestEvent::sqs("orders").record("1", "hang").record("2", "next");
    let processed = at_once.process((&batch).into()).await;
    assert_eq!((failures(&processed), noted(&fleet.log)), (vec!["1"], strings(["hang", "next"])));
    assert_eq!(began.elapsed(), Duration::ZERO);
    held.abort();
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_fails_the_message_before_anything_is_begun() {
    let fleet = Fleet::new();
    let instance = fleet.instance();
    let pipeline = instance.queues();
    instance.connection.always(Fault::Refuse);
    let batch = TestEvent::sqs("orders").record("1", "a kettle");
    let processed = pipeline.process((&batch).into()).await;
    assert_eq!((failures(&processed), noted(&fleet.log).len()), (vec!["1"], 0));
    instance.connection.heal();
    // For a short time after an outage, the store is not asked at all.
    sleep(Duration::from_secs(30)).await;
    assert!(failures(&pipeline.process((&batch).into()).await).is_empty());
}

#[tokio::test]
async fn the_handler_finds_its_claim() {
    async fn on_order(
        State(log): State<Log>,
        invocation: Invocation,
        message: SqsRecord,
    ) -> Result<(), Problem> {
        let claim = invocation.attached::<Claim>().unwrap();
        log.lock().unwrap().push(format!("{} {}", claim.attempt(), claim.step("charge")));
        work(&Log::default(), if claim.attempt() == 1 { "bad" } else { &message.body }).await
    }
    let stores = Stores::from_url("memory:").await.unwrap();
    let orders = Idempotency::new("orders", stores.idempotency.clone()).unwrap();
    let log = Log::default();
    let pipeline = Pipeline::builder(Arc::clone(&log))
        .sqs("orders", route(on_order).idempotent_by_id(&orders))
        .build()
        .unwrap();
    let batch = TestEvent::sqs("orders").record("1", "a kettle");
    for failed in [&["1"][..], &[]] {
        assert_eq!(failures(&pipeline.process((&batch).into()).await), failed);
    }
    let noted = noted(&log);
    let steps: Vec<_> = noted.iter().map(|line| line.split_once(' ').unwrap()).collect();
    assert_eq!(steps, [("1", steps[0].1), ("2", steps[0].1)], "one key for the call downstream");
}
