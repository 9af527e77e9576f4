//! The token of a fleet in which two versions run.

use std::process::Command;
use std::time::{Duration, Instant};

use funcify_core::register::RecordKey;
use funcify_core::token::TokenRecord;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::history::History;
use super::{Build, ORDERS, Store, failed, now, result};
use crate::sharing::fleet::{self, Member};
use crate::support::attempt::unique;
use crate::support::idp;

const SEAL_KEYS: &str = "one:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn key(name: &str) -> RecordKey {
    RecordKey::of::<TokenRecord>(name.parse().unwrap())
}

fn with(mut command: Command, variables: &[(&str, &str)]) -> Command {
    command.envs(variables.iter().copied());
    command
}

/// One process fetches a token, and both versions use it: one grant and two writes.
async fn the_token_of_one_is_the_token_of_the_other(store: &Store, variables: &[(&str, &str)]) {
    for [first, second] in ORDERS {
        let (name, case) = (unique("versions"), format!("{}: {first:?} first", store.url));
        let token = async |build: Build| {
            let token = result(with(build.command(store, &name, "token"), variables), "token");
            token.await["minted"].as_bool().unwrap()
        };
        let history = History::of(store, &key(&name));
        let minted = [token(first).await, token(second).await, token(first).await];
        let (seen, grants) = (history.ends().await, fleet::grants(&name).await);
        println!("{case}: {grants} grant, {} writes", seen.len());
        assert_eq!((minted, grants), ([true, false, false], 1), "{case}");
        assert!(seen.len() <= 2, "{case}: a lease and a token, {seen:?}");
    }
}

/// Eight processes of each version renew a token with a lifetime of 6 s, for 15 s. Every record that is
/// stored keeps the members that no version knows, and the time of the last rejection.
async fn both_renew_one_token(store: &Store) {
    for [first, second] in ORDERS {
        let (name, case) = (unique("renewed"), format!("{}: {first:?} first", store.url));
        let resource = idp::resource("opaque", 6);
        let short = [("FLEET_MEMBER_RESOURCE", resource.as_str())];
        result(with(first.command(store, &name, "token"), &short), "token").await;
        let mut kept = store.body(&key(&name)).await;
        kept["from_a_newer_version"] = json!([1, { "a": 2.5 }]);
        kept["forced_at"] = json!(now() - 3_600_000);
        store.put(&key(&name), kept.clone()).await;
        let (history, began) = (History::of(store, &key(&name)), Instant::now());
        let member =
            |build: Build| Member::run(with(build.command(store, &name, "hold 15000"), &short));
        let mut members = Vec::new();
        for build in [first, second] {
            members.extend((0..4).map(|_| (build, member(build))));
            sleep(Duration::from_millis(500)).await;
        }
        let (mut minted, mut not_served) = ([0, 0], 0);
        for (build, member) in members {
            let held = member.took("hold").await;
            minted[usize::from(build == second)] += held["minted"].as_u64().unwrap();
            not_served += held["not_served"].as_u64().unwrap();
            member.ended().await;
        }
        let (seen, grants, lived) =
            (history.ends().await, fleet::grants(&name).await - 1, began.elapsed());
        println!("{case}: {grants} grants ({minted:?}) and {} writes in {lived:?}", seen.len() - 1);
        assert_eq!((not_served, minted.iter().sum::<u64>()), (0, grants), "{case}");
        let most = 1 + (lived.as_secs_f64() / 3.0) as u64;
        assert!((2..=most).contains(&grants), "{case}: {grants} grants in {lived:?}");
        assert!(seen.len() as u64 - 1 <= 2 * grants, "{case}: a lease and a token each, {seen:?}");
        for record in &seen {
            for member in ["from_a_newer_version", "forced_at", "digest"] {
                assert_eq!(record[member], kept[member], "{case}: {member}");
            }
        }
    }
}

/// A refusal that one version remembers applies to the other version. A process with the right secret
/// replaces it.
async fn a_refusal_binds_both(store: &Store) {
    for [first, second] in ORDERS {
        let (name, case) = (unique("refused"), format!("{}: {first:?} first", store.url));
        let key = key(&name);
        store.put(&key, json!({ "from_a_newer_version": true })).await;
        let wrong = [("FUNCIFY_CLIENT_SECRET", "not the secret")];

        failed(with(first.command(store, &name, "token"), &wrong)).await;
        let refused = store.body(&key).await;
        let failure = &refused["failure"];
        assert_eq!(failure["code"], "invalid_client", "{case}: {refused}");
        let pause = (first == Build::New).then_some(60_000);
        assert_eq!(failure.get("pause").and_then(Value::as_u64), pause, "{case}: {refused}");

        let said = failed(with(second.command(store, &name, "token"), &wrong)).await;
        assert!(said.contains("try again in"), "{case}: it asked the provider, and got {said}");
        assert_eq!(store.body(&key).await, refused, "{case}: nothing was written");

        assert_eq!(second.takes(store, &name, "token").await["minted"], true, "{case}");
        let granted = store.body(&key).await;
        assert_eq!(granted.get("failure"), None, "{case}: {granted}");
        assert_eq!(granted["from_a_newer_version"], true, "{case}: {granted}");
        assert_eq!(first.takes(store, &name, "token").await["minted"], false, "{case}");
        assert_eq!(fleet::grants(&name).await, 1, "{case}");
    }
}

/// The second version wants another token at the same key, because its scope has grown.
async fn another_token_at_the_key_leaves_the_first_alone(store: &Store) {
    let grown = [("FUNCIFY_SCOPE", "orders:read orders:write")];
    for [first, second] in ORDERS {
        let (name, case) = (unique("grown"), format!("{}: {first:?} first", store.url));
        assert_eq!(first.takes(store, &name, "token").await["minted"], true, "{case}");
        let before = store.body(&key(&name)).await;
        let of_second = || with(second.command(store, &name, "token"), &grown);
        match second {
            // In this case version 0.1 has no token.
            Build::Old => drop(failed(of_second()).await),
            Build::New => {
                let minted = [(); 2].map(|()| result(of_second(), "token"));
                let [one, two] = minted;
                assert_eq!(one.await["minted"], true, "{case}");
                assert_eq!(two.await["minted"], false, "{case}: shared at a key of its own");
            }
        }
        assert_eq!(store.body(&key(&name)).await, before, "{case}");
        assert_eq!(first.takes(store, &name, "token").await["minted"], false, "{case}");
        let grants = if second == Build::New { 2 } else { 1 };
        assert_eq!(fleet::grants(&name).await, grants, "{case}");
    }
}

/// A process of version 0.1 whose clock is five minutes ahead wrote the record. Version 0.1 believes the
/// record, and this version does not. Then both use the token that this version fetches.
async fn a_record_of_a_fast_clock_costs_one_grant(store: &Store) {
    for planted in ["a token", "a lease", "a failure"] {
        let (name, case) = (unique("ahead"), format!("{}: {planted}", store.url));
        // This writes a record with the right digest, which is changed below.
        Build::Old.takes(store, &name, "token").await;
        let mut record = store.body(&key(&name)).await;
        let ahead = now() + 300_000;
        if planted == "a token" {
            record["token"] = json!("planted");
            record["minted_at"] = json!(ahead);
            record["refresh_at"] = json!(ahead + 2_700_000);
            record["expires_at"] = json!(ahead + 3_600_000);
        } else {
            record.as_object_mut().unwrap().remove("token");
            for time in ["minted_at", "refresh_at", "expires_at"] {
                record[time] = json!(0);
            }
        }
        match planted {
            "a lease" => record["lease"] = json!({ "holder": "0".repeat(32), "until": ahead }),
            "a failure" => {
                record["failure"] = json!({ "until": ahead, "code": "unavailable", "count": 9 });
            }
            _ => {}
        }
        store.put(&key(&name), record).await;
        let history = History::of(store, &key(&name));
        let mut minted = Vec::new();
        for build in [Build::New, Build::Old, Build::New, Build::Old] {
            minted.push(build.takes(store, &name, "token").await["minted"].as_bool().unwrap());
        }
        let (seen, grants) = (history.ends().await, fleet::grants(&name).await - 1);
        println!("{case} of a fast clock: {grants} grant, {} writes", seen.len() - 1);
        assert_eq!((minted, grants), (vec![true, false, false, false], 1), "{case}");
        assert!(seen.len() <= 3, "{case}: {seen:?}");
        assert_ne!(seen.last().unwrap()["token"], "planted", "{case}");
    }
}

async fn two_versions_share_their_token(store: Store) {
    let _alone = fleet::alone().await;
    the_token_of_one_is_the_token_of_the_other(&store, &[]).await;
    the_token_of_one_is_the_token_of_the_other(&store, &[("FUNCIFY_SEAL_KEYS", SEAL_KEYS)]).await;
    // Version 0.1 compares the text of the scope. This version would sort it.
    let unsorted = [("FUNCIFY_SCOPE", "orders:write orders:read")];
    the_token_of_one_is_the_token_of_the_other(&store, &unsorted).await;
    a_refusal_binds_both(&store).await;
    another_token_at_the_key_leaves_the_first_alone(&store).await;
    a_record_of_a_fast_clock_costs_one_grant(&store).await;
    both_renew_one_token(&store).await;
}

#[tokio::test]
#[cfg_attr(not(old_version), ignore = "version 0.1 is not built; tests/run --long builds it")]
async fn f25_two_versions_share_their_token_on_redis() {
    two_versions_share_their_token(super::redis().await).await;
}

#[tokio::test]
#[cfg_attr(not(old_version), ignore = "version 0.1 is not built; tests/run --long builds it")]
async fn f25_two_versions_share_their_token_on_dynamodb() {
    two_versions_share_their_token(super::dynamodb().await).await;
}

#[tokio::test]
#[cfg_attr(not(old_version), ignore = "version 0.1 is not built; tests/run --long builds it")]
async fn f25_two_versions_share_their_token_on_ssm() {
    two_versions_share_their_token(super::ssm().await).await;
}
