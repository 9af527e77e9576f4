//! A sealed token leaves no trace in any store, and SSM encrypts the record as well.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use funcify::Stores;
use funcify_core::register::{RecordKey, RecordName, Swap, WriteId};
use funcify_core::token::{AccessToken, TokenPersistenceProvider, TokenRecord};
use serde_json::json;

use super::raw;
use crate::sharing::fleet;
use crate::support::attempt::{stored, unique};
use crate::support::canary::Canary;
use crate::support::env;
use crate::support::idp::http;

const CANARY: &str = "canary/of~the+token?2YotnFZFEjr1zCsicMWpAA";

const KEYS: &str = "one:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn shows(stored: &str) -> bool {
    Canary::new("token", CANARY).found_in(stored).is_some()
}

async fn write(tokens: &dyn TokenPersistenceProvider, key: &RecordName) {
    let token = Some(AccessToken::from(CANARY));
    let record = TokenRecord { token, ..TokenRecord::default() };
    let swap = tokens.write(key, None, WriteId::random(), &record).await.unwrap();
    assert!(matches!(swap, Swap::Applied(_)), "{swap:?}");
}

async fn leaves_no_trace(url: &str, stored: impl AsyncFn(&RecordKey) -> String) {
    let stores = Stores::from_url(url).await.unwrap();
    let sealed = stores.clone().sealed(KEYS).unwrap().tokens;
    let [clear_key, key] =
        ["clear", "sealed"].map(|name| RecordName::try_from(unique(name)).unwrap());

    write(&*stores.tokens, &clear_key).await;
    let clear = stored(&RecordKey::of::<TokenRecord>(clear_key)).await;
    assert!(shows(&clear), "an unsealed token must be found: {clear}");

    write(&*sealed, &key).await;
    let stored = stored(&RecordKey::of::<TokenRecord>(key.clone())).await;
    assert!(!shows(&stored), "{stored}");
    assert!(stored.contains("sealed:v1:one:"), "{stored}");

    let read = sealed.read(&key).await.unwrap().unwrap();
    assert_eq!(read.value.token.unwrap().expose(), CANARY);
}

#[test]
fn a_canary_is_found_in_each_of_its_encodings() {
    let base64 = |prefix: &str| STANDARD_NO_PAD.encode(format!("{prefix}{CANARY}."));
    for shown in [base64(""), base64("a"), base64("ab"), json!({ "token": CANARY }).to_string()] {
        assert!(shows(&shown), "{shown}");
    }
    assert!(!shows("sealed:v1:one:Y2FuYXJ5"));
}

#[tokio::test]
async fn on_redis_a_sealed_token_leaves_no_trace() {
    leaves_no_trace(&fleet::redis().await, raw::on_redis).await;
}

#[tokio::test]
async fn on_dynamodb_a_sealed_token_leaves_no_trace() {
    leaves_no_trace(&fleet::dynamodb().await, raw::on_dynamodb).await;
}

#[tokio::test]
async fn on_ssm_a_sealed_token_leaves_no_trace() {
    leaves_no_trace(&fleet::ssm().await, raw::on_ssm).await;
}

#[tokio::test]
#[cfg_attr(own_ssm, ignore = "SSM is your own, and this test leaves a key in KMS behind")]
async fn on_ssm_each_version_is_a_secure_string_with_the_configured_key() {
    let kms = env::aws_endpoint("KMS");
    let made = http().post(kms).header("x-amz-target", "TrentService.CreateKey").body("{}");
    let made: serde_json::Value = made.send().await.unwrap().json().await.unwrap();
    let kms_key = made["KeyMetadata"]["KeyId"].as_str().unwrap();
    let mut url = env::ssm();
    url.push_str(if url.contains('?') { "&" } else { "?" });
    url.push_str(&format!("kms_key={kms_key}"));
    let stores = Stores::from_url(&url).await.unwrap();
    let key = RecordName::try_from(unique("encrypted")).unwrap();

    write(&*stores.tokens, &key).await;
    let first = stored(async || stores.tokens.read(&key).await).await.unwrap();
    let id = WriteId::random();
    stores.tokens.write(&key, Some(first.version), id, &first.value).await.unwrap();

    let name = raw::parameter(&url, &RecordKey::of::<TokenRecord>(key.clone()));
    let history = raw::ssm_client().await.get_parameter_history().name(name).send().await.unwrap();
    assert_eq!(history.parameters().len(), 2);
    for version in history.parameters() {
        assert_eq!(version.r#type().unwrap().as_str(), "SecureString");
        assert_eq!(version.key_id(), Some(kms_key));
        assert!(!version.value().unwrap().contains(CANARY), "encrypted");
    }
}
