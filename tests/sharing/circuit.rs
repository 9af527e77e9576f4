//! One process opens the circuit, and the others refuse calls.

use std::time::Duration;

use super::fleet::{self, Member};
use crate::support::attempt::unique;

/// The age of a snapshot at which a process reads the circuit again.
const SNAPSHOT: Duration = Duration::from_secs(2);

/// Extra time for eight processes of a debug build on a busy machine.
const GRACE: Duration = Duration::from_secs(1);

/// What the other members did after one had opened the circuit.
#[derive(Debug)]
struct Others {
    /// How long after the circuit opened each member refused its first call.
    refused_after: Vec<Duration>,
    admitted_to_the_end: usize,
}

/// Lets one of `members` processes open the circuit while the others keep calling.
async fn one_opens(store: &str, members: usize, patience: Duration) -> Others {
    for _ in 0..3 {
        if let Some(others) = undisturbed(store, members, patience).await {
            return others;
        }
        println!("{store}: a member lost its store; trying again");
    }
    panic!("{store}: a member lost its store each time");
}

/// Returns `None` if a member could not reach the store for a moment and decided by itself.
async fn undisturbed(store: &str, members: usize, patience: Duration) -> Option<Others> {
    let name = unique("circuit");
    let steps = format!("call watch {}", patience.as_millis());
    let others: Vec<_> = (1..members).map(|_| Member::start(store, &name, &steps)).collect();
    for other in &others {
        assert_eq!(other.took("call").await["admitted"], true);
    }

    let opener = Member::start(store, &name, "fail 3 call");
    let failed = opener.took("fail").await;
    assert_eq!(opener.took("call").await["admitted"], false, "three failures open it");
    let opened_at = failed["at"].as_u64().unwrap();
    let mut outages = failed["outages"].as_u64().unwrap();
    opener.ended().await;

    let mut seen = Others { refused_after: Vec::new(), admitted_to_the_end: 0 };
    for other in others {
        let watched = other.took("watch").await;
        outages += watched["outages"].as_u64().unwrap();
        if watched["refused"] == true {
            let at = watched["at"].as_u64().unwrap();
            seen.refused_after.push(Duration::from_millis(at.saturating_sub(opened_at)));
        } else {
            seen.admitted_to_the_end += 1;
        }
        other.ended().await;
    }
    (outages == 0).then_some(seen)
}

/// A test of `core` asserts on virtual time that they refuse within one snapshot age.
async fn all_refuse(store: &str) {
    let _alone = fleet::alone().await;
    for members in [2, 8] {
        let seen = one_opens(store, members, Duration::from_secs(15)).await;
        println!("{store}: {members} processes, the others refused after {:?}", seen.refused_after);
        assert_eq!(seen.refused_after.len(), members - 1, "{seen:?}");
    }
}

#[tokio::test]
async fn on_redis_the_circuit_that_one_process_opens_is_open_for_all() {
    all_refuse(&fleet::redis().await).await;
}

#[tokio::test]
async fn on_dynamodb_the_circuit_that_one_process_opens_is_open_for_all() {
    all_refuse(&fleet::dynamodb().await).await;
}

#[tokio::test]
async fn on_ssm_the_circuit_that_one_process_opens_is_open_for_all() {
    all_refuse(&fleet::ssm().await).await;
}

/// The mutant: processes do not share memory, so the same test must fail.
#[tokio::test]
async fn on_memory_the_circuit_that_one_process_opens_stays_closed_for_the_others() {
    let _alone = fleet::alone().await;
    for members in [2, 8] {
        let seen = one_opens("memory:", members, SNAPSHOT + GRACE).await;
        assert_eq!(seen.admitted_to_the_end, members - 1, "{seen:?}");
        assert!(seen.refused_after.is_empty(), "{seen:?}");
    }
}
