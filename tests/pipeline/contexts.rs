//! The context of a request, and the fields of a record, for every source.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, UNIX_EPOCH},
};

use axum::{Router, extract::State};
use funcify::{
    pipeline::{
        DynamoDbRecord, EventBridgeEvent, KafkaRecord, Kind, KinesisRecord, Pipeline, Problem,
        RawJson, RequestContext, S3Object, SnsRecord, SqsRecord, via,
    },
    testing::TestEvent,
};
use http::Method;
use serde_json::{Value, json};

use crate::support::events;

type Slot<T> = Arc<Mutex<Option<T>>>;

async fn context(kind: Kind, set: &[(&str, Value)]) -> RequestContext {
    let mut event = events::json(&TestEvent::http(kind, Method::GET, "/a"));
    for (pointer, value) in set {
        let mut at = &mut event;
        for name in pointer.split('/') {
            at = &mut at[name];
        }
        *at = value.clone();
    }
    let slot = Slot::default();
    let keep = async |State(slot): State<Slot<RequestContext>>, context: RequestContext| {
        *slot.lock().unwrap() = Some(context);
    };
    let pipeline =
        Pipeline::builder(Arc::clone(&slot)).http(Router::new().fallback(keep)).build().unwrap();
    TestEvent::from(event).send(&pipeline).await.unwrap();
    slot.lock().unwrap().take().unwrap()
}

#[tokio::test]
async fn every_source_of_requests_says_who_calls_from_where() {
    let account = "123456789012";
    for kind in [Kind::RestV1, Kind::HttpV1Payload, Kind::WebSocket] {
        let context = context(
            kind,
            &[
                ("requestContext/identity/sourceIp", json!("192.0.2.1")),
                ("requestContext/accountId", json!(account)),
                ("requestContext/requestId", json!("r")),
                ("requestContext/domainName", json!("api.example.com")),
                ("requestContext/requestTimeEpoch", json!(1_714_564_800_123_u64)),
                ("requestContext/authorizer", json!({ "principalId": "alice" })),
                ("stageVariables/color", json!("red")),
            ],
        )
        .await;
        assert_eq!(context.source_ip, Some([192, 0, 2, 1].into()), "{kind}");
        assert_eq!(context.account_id.as_deref(), Some(account), "{kind}");
        assert_eq!(context.request_id.as_deref(), Some("r"), "{kind}");
        assert_eq!(context.domain_name.as_deref(), Some("api.example.com"), "{kind}");
        assert_eq!(context.time, Some(UNIX_EPOCH + Duration::from_millis(1_714_564_800_123)));
        assert_eq!(context.stage_variables["color"], "red", "{kind}");
        assert_eq!(context.authorizer.unwrap().get(), r#"{"principalId":"alice"}"#, "{kind}");
    }
    for kind in [Kind::HttpV2, Kind::FunctionUrl] {
        let context = context(
            kind,
            &[
                ("requestContext/http/sourceIp", json!("2001:db8::1")),
                ("requestContext/accountId", json!("anonymous")),
                ("requestContext/timeEpoch", json!(1_714_564_800_000_u64)),
            ],
        )
        .await;
        assert_eq!(context.source_ip, Some("2001:db8::1".parse().unwrap()), "{kind}");
        assert_eq!((context.account_id, context.api_id.as_deref()), (None, Some("api")), "{kind}");
        assert_eq!(context.time, Some(UNIX_EPOCH + Duration::from_secs(1_714_564_800)));
    }
    for kind in [Kind::Alb, Kind::VpcLatticeV1, Kind::VpcLatticeV2] {
        // VPC Lattice 2 writes a list.
        let forwarded = match kind {
            Kind::VpcLatticeV2 => json!(["203.0.113.9, 192.0.2.1"]),
            _ => json!("203.0.113.9, 192.0.2.1"),
        };
        let context = context(kind, &[("headers/x-forwarded-for", forwarded)]).await;
        assert_eq!(context.source_ip, Some([192, 0, 2, 1].into()), "{kind}");
        assert_eq!(context.domain_name.as_deref(), Some("api.example.com"), "{kind}");
        let has_account = kind == Kind::Alb;
        assert_eq!(context.account_id.is_some(), has_account, "{kind}");
    }
}

#[tokio::test]
async fn a_record_keeps_all_that_its_source_wrote() {
    let slot = Slot::<Vec<String>>::default();
    *slot.lock().unwrap() = Some(Vec::new());
    macro_rules! keep {
        ($record:ty) => {
            async |State(slot): State<Slot<Vec<String>>>, record: $record| {
                slot.lock().unwrap().as_mut().unwrap().push(record.raw().to_owned());
                Ok::<(), Problem>(())
            }
        };
    }
    let pipeline = Pipeline::builder(Arc::clone(&slot))
        .sqs("orders", keep!(SqsRecord))
        .sqs("uploads", via::<S3Object, _>(keep!(S3Object)))
        .s3("uploads", keep!(S3Object))
        .eventbridge("Order Placed", keep!(EventBridgeEvent))
        .sns("orders", keep!(SnsRecord))
        .kinesis("clicks", keep!(KinesisRecord))
        .dynamodb_stream("orders", keep!(DynamoDbRecord))
        .kafka("orders", keep!(KafkaRecord))
        .build()
        .unwrap();
    let batch = TestEvent::sqs("orders").record("1", "a").record("2", "b");
    batch.send(&pipeline).await.unwrap();
    let s3 = TestEvent::s3("uploads", "a.txt");
    s3.send(&pipeline).await.unwrap();
    TestEvent::sqs("uploads").record("1", s3.to_string()).send(&pipeline).await.unwrap();
    let bus = TestEvent::eventbridge("shop", "Order Placed", json!({ "id": 7 }));
    bus.send(&pipeline).await.unwrap();
    let one = |batch: TestEvent| batch.record("1", "a");
    let [sns, kinesis, table, kafka] = [
        TestEvent::sns("orders", "hello"),
        one(TestEvent::kinesis("clicks")),
        one(TestEvent::dynamodb_stream("orders")),
        one(TestEvent::kafka("orders")),
    ];
    for event in [&sns, &kinesis, &table, &kafka] {
        event.send(&pipeline).await.unwrap();
    }
    let raw = slot.lock().unwrap().take().unwrap();
    let raw: Vec<Value> = raw.iter().map(|raw| serde_json::from_str(raw).unwrap()).collect();
    let (batch, s3, bus) = (events::json(&batch), events::json(&s3), events::json(&bus));
    let object = s3["Records"][0].clone();
    let [sns, kinesis, table, kafka] = [&sns, &kinesis, &table, &kafka].map(events::json);
    let all = [
        batch["Records"][0].clone(),
        batch["Records"][1].clone(),
        object.clone(),
        object,
        bus,
        sns["Records"][0].clone(),
        kinesis["Records"][0].clone(),
        table["Records"][0].clone(),
        kafka["records"]["orders-0"][0].clone(),
    ];
    assert_eq!(raw, all);
}

#[tokio::test]
async fn a_deletion_by_the_time_to_live_can_be_told_from_one_by_a_user() {
    let mut event = events::json(&TestEvent::dynamodb_stream("orders").record("1", "a"));
    event["Records"][0]["userIdentity"] =
        json!({ "type": "Service", "principalId": "dynamodb.amazonaws.com" });
    event["Records"][0]["dynamodb"]["ApproximateCreationDateTime"] = json!(1_700_000_000);
    let expect = async |record: DynamoDbRecord| {
        let identity = record.user_identity.map(|identity| identity.get().to_owned());
        assert!(identity.unwrap().contains("dynamodb.amazonaws.com"));
        assert_eq!((record.created_at, &*record.event_id), (Some(1_700_000_000.0), "1"));
        Ok::<(), Problem>(())
    };
    let pipeline = Pipeline::builder(()).dynamodb_stream("orders", expect).build().unwrap();
    assert!(TestEvent::from(event).send(&pipeline).await.unwrap().failures().is_empty());
}

#[tokio::test]
async fn an_object_of_a_bus_event_says_what_happened_and_when() {
    let detail = json!({
        "bucket": { "name": "uploads" }, "reason": "PutObject",
        "object": { "key": "a b.txt", "size": 5, "etag": "e", "version-id": "v" },
    });
    let expect = async |object: S3Object| {
        assert_eq!((&*object.event_name, &*object.key), ("Object Restore Completed", "a b.txt"));
        assert_eq!(object.event_time.as_deref(), Some("2024-05-01T12:00:00Z"));
        assert_eq!(object.reason.as_deref(), Some("PutObject"));
        Ok::<(), Problem>(())
    };
    let pipeline = Pipeline::builder(())
        .eventbridge("Object Restore Completed", via::<S3Object, _>(expect))
        .build()
        .unwrap();
    let event = TestEvent::eventbridge("aws.s3", "Object Restore Completed", detail);
    assert_eq!(events::parsed(&event).kind(), Kind::EventBridgeS3);
    event.send(&pipeline).await.unwrap();
}

#[tokio::test]
async fn a_call_of_s3_that_cloudtrail_reports_is_no_notification() {
    let detail = json!({ "eventSource": "s3.amazonaws.com", "eventName": "PutObject" });
    let event = TestEvent::eventbridge("aws.s3", "AWS API Call via CloudTrail", detail);
    assert_eq!(events::parsed(&event).kind(), Kind::EventBridge);
}

#[tokio::test]
async fn the_detail_of_a_schedule_may_be_a_text_of_json() {
    #[derive(serde::Deserialize)]
    struct Nightly {
        #[serde(default)]
        id: u32,
    }
    let expect = async |event: EventBridgeEvent<Nightly>| {
        assert_eq!((&*event.account, &*event.region), ("123456789012", "eu-west-1"));
        if event.detail.id == 8 { Err(Problem::bad_request("eight")) } else { Ok(()) }
    };
    let pipeline = Pipeline::builder(()).eventbridge("Scheduled Event", expect).build().unwrap();
    let send = async |detail: Value| {
        let event = TestEvent::eventbridge("aws.scheduler", "Scheduled Event", detail);
        event.send(&pipeline).await.is_ok()
    };
    assert!(send(json!("{}")).await && send(json!("{\"id\":7}")).await && send(json!({})).await);
    assert!(!send(json!("{\"id\":8}")).await && !send(json!("no json")).await);
}
