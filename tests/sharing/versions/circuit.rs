//! The circuit of a fleet in which two versions run.

use std::time::Duration;

use funcify_core::circuit::CircuitRecord;
use funcify_core::register::RecordKey;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::history::History;
use super::{Build, ORDERS, Store, now};
use crate::sharing::fleet;
use crate::support::attempt::unique;

fn key(name: &str) -> RecordKey {
    RecordKey::of::<CircuitRecord>(name.parse().unwrap())
}

/// A closed circuit with a member that neither version knows, and with an override that has ended.
fn closed() -> Value {
    json!({
        "state": "closed", "epoch": 0, "changed_at": 0, "open_until": 0, "openings": 0,
        "quota": { "a": [1, 2.5] },
        "override": { "by": "ann", "mode": "disabled", "until": now() - 1_000 },
    })
}

fn assert_kept(seen: &[Value], first: &Value, case: &str) {
    for record in seen {
        assert_eq!(record["quota"], first["quota"], "{case}: {record}");
        assert_eq!(record["override"], first["override"], "{case}: {record}");
    }
}

/// One version opens the circuit and each adds one of the two successful probes that close it, four times
/// in turn.
async fn one_opens_and_both_close(store: &Store) {
    for order in ORDERS {
        let (name, case) = (unique("rounds"), format!("{}: {:?} first", store.url, order[0]));
        let (key, first) = (key(&name), closed());
        store.put(&key, first.clone()).await;
        let history = History::of(store, &key);
        for round in 0..4 {
            let (opener, closer) = (order[round % 2], order[(round + 1) % 2]);
            assert_eq!(
                opener.takes(store, &name, "fail 3 call").await["admitted"],
                false,
                "{case}"
            );
            assert_eq!(closer.takes(store, &name, "call").await["admitted"], false, "{case}");
            // The open duration has passed.
            let mut record = store.body(&key).await;
            assert_eq!(
                (&record["state"], &record["epoch"]),
                (&json!("open"), &json!(3 * round + 1))
            );
            assert_eq!(record["openings"], json!(round + 1), "{case}: both count openings");
            record["open_until"] = json!(now());
            store.put(&key, record).await;
            for (build, state) in [(closer, "half_open"), (opener, "closed")] {
                assert_eq!(build.takes(store, &name, "call").await["admitted"], true, "{case}");
                assert_eq!(store.body(&key).await["state"], state, "{case}: a success of each");
            }
            assert_eq!(store.body(&key).await["epoch"], json!(3 * round + 3), "{case}");
        }
        let seen = history.ends().await;
        println!("{case}: {} writes in 4 rounds", seen.len() - 1);
        assert_kept(&seen, &first, &case);
        // Up to three failures, the last of which opens the circuit. Then the write of this test, and two
        // probes with their successes.
        assert!(seen.len() - 1 <= 4 * 8, "{case}: {seen:?}");
    }
}

/// One process opens the circuit, and the others, two of each version, refuse.
async fn what_one_opens_is_open_for_both(store: &Store) {
    for [opener, _] in ORDERS {
        let (name, case) = (unique("opened"), format!("{}: {opener:?} opens", store.url));
        let (key, first) = (key(&name), closed());
        store.put(&key, first.clone()).await;
        let history = History::of(store, &key);
        let others = [Build::Old, Build::New, Build::Old, Build::New];
        let others = others.map(|build| build.start(store, &name, "call watch 15000"));
        for other in &others {
            assert_eq!(other.took("call").await["admitted"], true, "{case}");
        }
        opener.takes(store, &name, "fail 3").await;
        for other in others {
            assert_eq!(other.took("watch").await["refused"], true, "{case}");
            other.ended().await;
        }
        let seen = history.ends().await;
        println!("{case}: {} writes", seen.len() - 1);
        assert_kept(&seen, &first, &case);
        assert!(seen.len() - 1 <= 3, "{case}: {seen:?}");
    }
}

/// A healthy fleet of both versions writes nothing, whatever the record contains. That includes failures
/// and an override by a clock that is five minutes ahead, which only version 0.1 believes.
async fn a_healthy_fleet_writes_nothing(store: &Store) {
    let (name, ahead) = (unique("healthy"), now() + 300_000);
    let mut first = closed();
    first["failures"] = json!([[now() - 1_000, "0a3c9b00"], [ahead, "0a3c9b01"]]);
    first["from_a_newer_version"] = json!(1);
    store.put(&key(&name), first).await;
    let history = History::of(store, &key(&name));
    let fleet = [Build::Old, Build::New, Build::Old, Build::New];
    let fleet = fleet.map(|build| build.start(store, &name, "watch 6000"));
    for member in fleet {
        let watched = member.took("watch").await;
        assert_eq!(watched["refused"], false, "{}: {watched}", store.url);
        member.ended().await;
    }
    assert_eq!(history.ends().await.len(), 1, "{}: only ours", store.url);
}

/// An override in the form of version 0.1, which this version still writes, applies to both versions. When
/// it ends, it ends for both.
async fn an_override_binds_both(store: &Store) {
    for build in [Build::Old, Build::New] {
        let (name, case) = (unique("override"), format!("{}: {build:?}", store.url));
        let mut first = closed();
        first["override"] = json!({ "by": "ann", "mode": "force_open", "until": now() + 3_000 });
        store.put(&key(&name), first.clone()).await;
        let history = History::of(store, &key(&name));
        assert_eq!(build.takes(store, &name, "call").await["admitted"], false, "{case}");
        sleep(Duration::from_millis(3_100)).await;
        assert_eq!(build.takes(store, &name, "fail 1 call").await["admitted"], true, "{case}");
        let seen = history.ends().await;
        assert_eq!(seen.len(), 2, "{case}: one failure is counted, {seen:?}");
        assert_kept(&seen, &first, &case);
    }
}

async fn two_versions_share_their_circuit(store: Store) {
    let _alone = fleet::alone().await;
    an_override_binds_both(&store).await;
    one_opens_and_both_close(&store).await;
    what_one_opens_is_open_for_both(&store).await;
    a_healthy_fleet_writes_nothing(&store).await;
}

#[tokio::test]
#[cfg_attr(not(old_version), ignore = "version 0.1 is not built; tests/run --long builds it")]
async fn f25_two_versions_share_their_circuit_on_redis() {
    two_versions_share_their_circuit(super::redis().await).await;
}

#[tokio::test]
#[cfg_attr(not(old_version), ignore = "version 0.1 is not built; tests/run --long builds it")]
async fn f25_two_versions_share_their_circuit_on_dynamodb() {
    two_versions_share_their_circuit(super::dynamodb().await).await;
}

#[tokio::test]
#[cfg_attr(not(old_version), ignore = "version 0.1 is not built; tests/run --long builds it")]
async fn f25_two_versions_share_their_circuit_on_ssm() {
    two_versions_share_their_circuit(super::ssm().await).await;
}
