//! One member mints the token; the others adopt it.

use std::collections::BTreeSet;

use super::fleet::{self, Member};
use crate::support::attempt::unique;

/// What a fleet of cold processes got.
#[derive(Debug)]
struct Served {
    minted: usize,
    /// Of the tokens, each once.
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

async fn one_mints_and_the_others_adopt(store: &str) {
    let _alone = fleet::alone().await;
    for members in [2, 8] {
        let name = unique("token");
        let served = at_once(store, &name, members).await;
        assert_eq!((served.grants, served.minted), (1, 1), "{served:?}");
        assert_eq!(served.fingerprints.len(), 1, "{served:?}");

        let late = at_once(store, &name, 1).await;
        assert_eq!((late.grants, late.minted), (1, 0), "who comes later adopts it too");
        assert_eq!(late.fingerprints, served.fingerprints);
    }
}

#[tokio::test]
async fn on_redis_one_process_mints_the_token_and_all_have_it() {
    one_mints_and_the_others_adopt(&fleet::redis().await).await;
}

#[tokio::test]
async fn on_dynamodb_one_process_mints_the_token_and_all_have_it() {
    one_mints_and_the_others_adopt(&fleet::dynamodb().await).await;
}

#[tokio::test]
async fn on_ssm_one_process_mints_the_token_and_all_have_it() {
    one_mints_and_the_others_adopt(&fleet::ssm().await).await;
}

/// The negative twin: memory is one process's own, and the same test shows it.
#[tokio::test]
async fn on_memory_each_process_mints_a_token_of_its_own() {
    let _alone = fleet::alone().await;
    for members in [2, 8] {
        let served = at_once("memory:", &unique("token"), members).await;
        assert_eq!((served.grants, served.minted), (members as u64, members), "{served:?}");
        assert_eq!(served.fingerprints.len(), members, "{served:?}");
    }
}
