//! What is counted, through the facade `metrics`: every series of the table, each where it says.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use axum::{Router, routing::get};
use funcify::{
    CircuitBreaker, Idempotency, Pipeline, Problem, StoreError, StoreErrorKind, Stores,
    TokenGetter,
    circuit::{CallOutcome, CircuitPolicy, CountRule},
    pipeline::SqsRecord,
    testing::TestEvent,
    token::{ClientCredentials, ClientSecret, Endpoint},
};
use funcify_core::engine::metrics::METRICS;
use funcify_test_support::{Counts, FakeGrant};
use tokio::time::sleep;

/// Runs `work` on one thread with a recorder, and returns what was counted.
fn counted(work: impl Future<Output = ()>) -> BTreeMap<String, u64> {
    let counts = Counts::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&counts, || runtime.block_on(work));
    counts.all()
}

/// Only these, each with its count.
fn assert_counted(all: &BTreeMap<String, u64>, prefix: &str, expected: &[(&str, u64)]) {
    let found: Vec<_> =
        all.iter().filter_map(|(name, n)| Some((name.strip_prefix(prefix)?, *n))).collect();
    assert_eq!(found, expected, "{prefix}");
}

async fn circuits(stores: &Stores) {
    let mut policy = CircuitPolicy::new(CountRule::new(2, Duration::from_secs(60)));
    policy.call_timeout = Duration::from_millis(20);
    let circuit = CircuitBreaker::new("warehouse", policy, stores.circuits.clone()).unwrap();
    let fails = async || Err::<(), _>("refused");
    circuit.call(async || Ok::<_, &str>(())).await.unwrap();
    circuit.acquire().await.unwrap().record(CallOutcome::Neutral).await;
    assert!(circuit.call(fails).await.is_err());
    let hangs = async || {
        sleep(Duration::from_secs(5)).await;
        Ok::<_, &str>(())
    };
    assert!(circuit.call(hangs).await.is_err());
    for _ in 0..3 {
        assert!(circuit.call(fails).await.is_err(), "it is open");
    }
    let another =
        CircuitBreaker::new("held", CircuitPolicy::for_token_endpoint(), stores.circuits.clone());
    another.unwrap().call(async || Ok::<_, &str>(())).await.unwrap();
}

#[test]
fn a_circuit_counts_each_call_by_how_it_ended_and_its_own_transitions() {
    let all = counted(async {
        circuits(&Stores::from_url("memory:").await.unwrap()).await;
    });
    assert_counted(
        &all,
        "funcify.circuit.calls{circuit=warehouse,outcome=",
        &[("failure}", 1), ("ignored}", 1), ("success}", 1), ("timed_out}", 1)],
    );
    assert_counted(&all, "funcify.circuit.rejected{circuit=warehouse,cause=", &[("failures}", 3)]);
    assert_counted(&all, "funcify.circuit.state{circuit=", &[("held}", 0), ("warehouse}", 2)]);
    assert_counted(
        &all,
        "funcify.circuit.transitions{",
        &[("circuit=warehouse,to=open,cause=failures}", 1)],
    );
    let operations: u64 =
        all.iter().filter(|(name, _)| name.starts_with("funcify.store.op")).map(|(_, n)| n).sum();
    let durations: u64 =
        all.iter().filter(|(name, _)| name.starts_with("funcify.store.dur")).map(|(_, n)| n).sum();
    assert_eq!(operations, durations, "{all:?}");
    assert!(all["funcify.store.operations{backend=memory,operation=swap,result=ok}"] >= 2);
}

/// The others see what one of them did, and do not count it again.
#[test]
fn a_transition_of_the_fleet_is_counted_once() {
    let all = counted(async {
        let stores = Stores::from_url("memory:").await.unwrap();
        let mut policy = CircuitPolicy::new(CountRule::new(1, Duration::from_secs(60)));
        policy.snapshot_ttl = Duration::from_millis(100);
        policy.snapshot_ttl_after_failure = Duration::from_millis(100);
        let breaker = || CircuitBreaker::new("a", policy.clone(), stores.circuits.clone()).unwrap();
        let (one, other) = (breaker(), breaker());
        other.call(async || Ok::<_, &str>(())).await.unwrap();
        assert!(one.call(async || Err::<(), _>("refused")).await.is_err());
        sleep(Duration::from_millis(150)).await;
        assert!(other.call(async || Ok::<_, &str>(())).await.is_err(), "it knows");
    });
    assert_counted(
        &all,
        "funcify.circuit.transitions{",
        &[("circuit=a,to=open,cause=failures}", 1)],
    );
}

async fn tokens(stores: &Stores) {
    let credentials = || {
        let url = Endpoint::TokenUrl("https://login.example/token".to_owned());
        let mut credentials = ClientCredentials::new(url, "orders", ClientSecret::from("s"));
        credentials.key = Some("orders".to_owned());
        credentials
    };
    let build = |grant: FakeGrant| {
        TokenGetter::builder(credentials(), stores.tokens.clone()).grant(grant).build().unwrap()
    };
    let grant = FakeGrant::new();
    grant.accept_only("another secret");
    assert!(build(grant).token().await.is_err());
    let empty = Stores::from_url("memory:").await.unwrap();
    let build = |store: &Stores| {
        let getter = TokenGetter::builder(credentials(), store.tokens.clone());
        getter.grant(FakeGrant::new()).build().unwrap()
    };
    let (first, second) = (build(&empty), build(&empty));
    for getter in [&first, &first, &first, &second] {
        getter.token().await.unwrap();
    }
}

#[test]
fn a_token_is_counted_by_its_source_and_a_failure_by_its_code() {
    let all = counted(async {
        tokens(&Stores::from_url("memory:").await.unwrap()).await;
    });
    assert_counted(
        &all,
        "funcify.token.requests{key=orders,source=",
        &[("memory}", 2), ("minted}", 1), ("store}", 1)],
    );
    assert_eq!(all["funcify.token.grants{key=orders}"], 1);
    assert_counted(&all, "funcify.token.failures{key=orders,code=", &[("invalid_client}", 1)]);
    assert!(all["funcify.token.remaining_seconds{key=orders}"] > 60, "{all:?}");
}

async fn keys(stores: &Stores) {
    let payments = Idempotency::new("payments", stores.idempotency.clone()).unwrap();
    let work = async |_| Ok::<_, StoreError>(7);
    for payload in [1, 1, 2] {
        drop(payments.run("order 7", &payload, work).await);
    }
    let fails =
        async |_| Err::<u8, _>(StoreError::new("test", StoreErrorKind::Invalid, "declined"));
    assert!(payments.run("order 8", &1, fails).await.is_err());
}

#[test]
fn the_calls_with_a_key_are_counted_by_their_result() {
    let all = counted(async {
        keys(&Stores::from_url("memory:").await.unwrap()).await;
    });
    assert_counted(
        &all,
        "funcify.idempotency.calls{scope=payments,result=",
        &[("executed}", 2), ("mismatch}", 1), ("replayed}", 1)],
    );
}

async fn events() {
    let on_order = async |order: SqsRecord| match order.body.as_str() {
        "bad" => Err(Problem::bad_request("no order")),
        _ => Ok(()),
    };
    let pipeline = Pipeline::builder(())
        .http(Router::new().route("/orders/{id}", get(async || "here")))
        .sqs("orders", on_order)
        .build()
        .unwrap();
    for path in ["/orders/1", "/orders/2", "/nowhere/3"] {
        TestEvent::get(path).send(&pipeline).await.unwrap();
    }
    let batch = TestEvent::sqs("orders").record("1", "good").record("2", "bad");
    batch.send(&pipeline).await.unwrap();
}

#[test]
fn an_invocation_is_counted_by_its_route_and_not_by_its_path() {
    let all = counted(events());
    assert_counted(
        &all,
        "funcify.pipeline.invocations{",
        &[
            ("kind=apigw-http-v2,route=/orders/{id},outcome=handled}", 2),
            ("kind=apigw-http-v2,route=none,outcome=unmatched}", 1),
            ("kind=sqs,route=orders,outcome=failed}", 1),
        ],
    );
    assert_counted(
        &all,
        "funcify.pipeline.records{route=orders,outcome=",
        &[("failed}", 1), ("handled}", 1)],
    );
    assert_eq!(all["funcify.pipeline.cold_starts{kind=apigw-http-v2}"], 1);
    assert_eq!(all["funcify.pipeline.duration{kind=sqs,route=orders}"], 1);
}

/// So that no name of the table is one that nothing counts, and nothing counts another name.
#[test]
fn everything_in_the_table_is_counted_with_its_labels_and_nothing_else() {
    let all = counted(async {
        let stores = Arc::new(Stores::from_url("memory:").await.unwrap());
        circuits(&stores).await;
        tokens(&stores).await;
        keys(&stores).await;
        events().await;
    });
    let shape = |series: &String| {
        let (name, labels) = series.split_once('{').unwrap();
        let labels = labels.trim_end_matches('}').split(',');
        let labels: Vec<_> = labels.map(|label| label.split('=').next().unwrap()).collect();
        format!("{name} {}", labels.join(" "))
    };
    let found: BTreeSet<_> = all.keys().map(shape).collect();
    let listed =
        METRICS.iter().map(|metric| format!("{} {}", metric.name, metric.labels.join(" ")));
    assert_eq!(found, listed.collect());
}
