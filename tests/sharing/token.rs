//! One process fetches the token. The others use it, and so does a process that starts later.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Instant;

use super::fleet::{self, Member};
use crate::support::attempt::unique;
use crate::support::idp;

/// The tokens that a fleet of cold processes got.
#[derive(Debug)]
struct Served {
    minted: usize,
    /// The fingerprints of the tokens, without duplicates.
    fingerprints: BTreeSet<String>,
    grants: u64,
}

async fn at_once(store: &str, name: &str, members: usize) -> Served {
    let members: Vec<_> = (0..members).map(|_| Member::start(store, name, "token")).collect();
    let (mut minted, mut fingerprints) = (0, BTreeSet::new());
    for member in members {
        let token = member.took("token").await;
        minted += usize::from(token["minted"] == true);
        fingerprints.insert(token["fingerprint"].as_str().unwrap().to_owned());
        member.ended().await;
    }
    Served { minted, fingerprints, grants: fleet::grants(name).await }
}

async fn one_mints_for_all(store: &str) {
    let _alone = fleet::alone().await;
    for members in [2, 16] {
        let name = unique("token");
        let served = at_once(store, &name, members).await;
        assert_eq!((served.grants, served.minted), (1, 1), "{served:?}");
        assert_eq!(served.fingerprints.len(), 1, "{served:?}");

        let late = at_once(store, &name, 1).await;
        assert_eq!((late.grants, late.minted), (1, 0), "a later member uses it too");
        assert_eq!(late.fingerprints, served.fingerprints);
    }
}

/// Sixteen processes run for 10 s each, with tokens that live for 6 s and are due after 3 s.
async fn sixteen_renew_together(store: &str) {
    let _alone = fleet::alone().await;
    let (name, began) = (unique("steady"), Instant::now());
    let member = |_| {
        let mut command: Command = fleet::command(&name, "hold 10000");
        command.env("FUNCIFY_BACKEND", store);
        command.env("FLEET_MEMBER_RESOURCE", idp::resource("opaque", 6));
        Member::run(command)
    };
    let members: Vec<_> = (0..16).map(member).collect();
    let (mut minted, mut not_served) = (0, 0);
    for member in members {
        let held = member.took("hold").await;
        minted += held["minted"].as_u64().unwrap();
        not_served += held["not_served"].as_u64().unwrap();
        member.ended().await;
    }
    let grants = fleet::grants(&name).await;
    // The processes start one after another, so the fleet lives longer than each of them. The slower the
    // machine, the more renewals become due.
    let lived = began.elapsed();
    println!("{store}: 16 processes, {grants} grants in {lived:?}");
    assert_eq!((not_served, minted), (0, grants));
    let most = 1 + (lived.as_secs_f64() / 3.0) as u64;
    assert!((2..=most).contains(&grants), "{grants} grants in {lived:?}");
}

#[tokio::test]
async fn on_redis_sixteen_processes_renew_their_token_together() {
    sixteen_renew_together(&fleet::redis().await).await;
}

#[tokio::test]
async fn on_dynamodb_sixteen_processes_renew_their_token_together() {
    sixteen_renew_together(&fleet::dynamodb().await).await;
}

#[tokio::test]
async fn on_ssm_sixteen_processes_renew_their_token_together() {
    sixteen_renew_together(&fleet::ssm().await).await;
}

#[tokio::test]
async fn on_redis_one_process_mints_the_token_for_all() {
    one_mints_for_all(&fleet::redis().await).await;
}

#[tokio::test]
async fn on_dynamodb_one_process_mints_the_token_for_all() {
    one_mints_for_all(&fleet::dynamodb().await).await;
}

#[tokio::test]
async fn on_ssm_one_process_mints_the_token_for_all() {
    one_mints_for_all(&fleet::ssm().await).await;
}

/// The mutant: processes do not share memory, so the same test must fail.
#[tokio::test]
async fn on_memory_each_process_mints_a_token_of_its_own() {
    let _alone = fleet::alone().await;
    for members in [2, 8] {
        let served = at_once("memory:", &unique("token"), members).await;
        assert_eq!((served.grants, served.minted), (members as u64, members), "{served:?}");
        assert_eq!(served.fingerprints.len(), members, "{served:?}");
    }
}
