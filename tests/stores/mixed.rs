//! Tokens in one store and circuits in another.

use std::process::Command;

use funcify_core::circuit::CircuitRecord;
use funcify_core::register::RecordKey;
use funcify_core::token::TokenRecord;

use super::raw;
use crate::sharing::fleet::{self, Member};
use crate::support::attempt::unique;

fn mixed(name: &str, steps: &str, tokens: &str, circuits: &str) -> Command {
    let mut command = fleet::command(name, steps);
    command.env("FUNCIFY_TOKENS", tokens).env("FUNCIFY_CIRCUITS", circuits);
    command
}

#[tokio::test]
async fn tokens_are_stored_in_ssm_and_circuits_in_dynamodb() {
    let (ssm, dynamodb, name) = (fleet::ssm().await, fleet::dynamodb().await, unique("mixed"));
    let token = RecordKey::of::<TokenRecord>(name.parse().unwrap());
    let circuit = RecordKey::of::<CircuitRecord>(name.parse().unwrap());

    let first = Member::run(mixed(&name, "token fail 3", &ssm, &dynamodb));
    assert_eq!(first.took("token").await["minted"], true);
    assert_eq!(first.took("fail").await["outages"], 0);
    first.ended().await;

    assert!(raw::on_ssm(&token).await.contains("expires_at"));
    assert!(raw::on_dynamodb(&circuit).await.contains("open_until"));
    assert_eq!(raw::on_ssm(&circuit).await, "");
    assert_eq!(raw::on_dynamodb(&token).await, "");

    let second = Member::run(mixed(&name, "call token", &ssm, &dynamodb));
    assert_eq!(second.took("call").await["admitted"], false);
    assert_eq!(second.took("token").await["minted"], false);
    second.ended().await;
    assert_eq!(fleet::grants(&name).await, 1);
}

#[tokio::test]
async fn one_variable_overrides_the_common_one_for_its_half_only() {
    let (redis, name) = (fleet::redis().await, unique("override"));
    let mut first = fleet::command(&name, "token fail 3");
    first.env("FUNCIFY_BACKEND", &redis).env("FUNCIFY_CIRCUITS", "memory:");
    let first = Member::run(first);
    first.took("fail").await;
    first.ended().await;

    let second = Member::start(&redis, &name, "call token");
    assert_eq!(second.took("call").await["admitted"], true, "that circuit was in memory");
    assert_eq!(second.took("token").await["minted"], false, "the token was in Redis");
    second.ended().await;
}

#[tokio::test]
async fn processes_share_a_sealed_token_and_one_without_the_key_does_not_use_it() {
    let (redis, name) = (fleet::redis().await, unique("sealing"));
    let member = |keys: Option<&str>| {
        let mut command = fleet::command(&name, "token");
        command.env("FUNCIFY_BACKEND", &redis);
        command.envs(keys.map(|keys| ("FUNCIFY_SEAL_KEYS", keys)));
        Member::run(command)
    };
    let keys = Some("one:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    for (keys, minted) in [(keys, true), (keys, false), (None, true)] {
        let member = member(keys);
        assert_eq!(member.took("token").await["minted"], minted, "{keys:?}");
        member.ended().await;
    }
}
