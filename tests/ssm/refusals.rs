//! What the backend checks before it sends a request, and what it sends.

use std::error::Error;

use funcify::error_chain;
use funcify_backend_ssm::{SsmBackend, SsmConfig, Tier};
use funcify_core::StoreErrorKind;
use funcify_core::register::{Body, Register, Swap, WriteId};
use serde_json::json;

use super::fake::FakeSsm;
use crate::support::attempt::{HOUR, attempt, body, circuit, token, write};
use crate::support::aws;

/// A record whose value has this many bytes.
fn value_of(bytes: usize) -> Body {
    let empty = json!({"f": 1, "base": null, "id": "0".repeat(32), "rec": {"t": ""}}).to_string();
    json!({"t": "t".repeat(bytes - empty.len())}).to_string().parse::<Body>().unwrap()
}

#[tokio::test]
async fn f21_a_value_of_4097_bytes_is_refused_before_any_request() {
    for (tier, largest) in
        [(None, 4_096), (Some(Tier::Standard), 4_096), (Some(Tier::Advanced), 8_192)]
    {
        let (fake, key) = (FakeSsm::default(), token("large"));
        let config = SsmConfig::new("/fleet");
        let register =
            fake.register(tier.map_or(config.clone(), |tier| config.with_tier(tier))).await;
        let (id, large) = (WriteId::random(), value_of(largest + 1));
        let refused = register.swap(&key, None, id, &large, HOUR).await.unwrap_err();
        assert_eq!(refused.kind(), StoreErrorKind::Invalid);
        let text = refused.source().unwrap().to_string();
        assert!(text.contains(&(largest + 1).to_string()), "{text}");
        assert_eq!(fake.contents().gets, 0);
        assert!(fake.contents().puts.is_empty());

        let done = register.swap(&key, None, id, &value_of(largest), HOUR).await.unwrap();
        assert!(matches!(done, Swap::Applied(_)));
        assert_eq!(fake.contents().puts[0]["Value"].as_str().unwrap().len(), largest);
    }
}

#[tokio::test]
async fn a_parameter_is_a_secure_string_with_the_configured_key_and_tier() {
    let fake = FakeSsm::default();
    let config = SsmConfig::parse("ssm:///fleet/a?kms_key=alias/fleet&tier=advanced").unwrap();
    let (register, key) = (fake.register(config).await, circuit("asked"));
    let first = write(&register, &key, None, 1).await;
    write(&register, &key, Some(first), 2).await;
    for put in &fake.contents().puts {
        assert_eq!(put["Type"], "SecureString");
        assert_eq!(put["KeyId"], "alias/fleet");
        assert_eq!(put["Tier"], "Advanced");
        assert_eq!(put["Name"], format!("/fleet/a/circuit/{}", key.name));
    }
}

#[tokio::test]
async fn without_options_the_request_names_no_key_and_no_tier() {
    let fake = FakeSsm::default();
    let register = fake.register(SsmConfig::new("/fleet")).await;
    write(&register, &circuit("plain"), None, 1).await;
    let put = fake.contents().puts[0].clone();
    assert_eq!((put.get("KeyId"), put.get("Tier")), (None, None));
}

#[tokio::test]
async fn a_refusal_of_the_service_names_its_code_and_is_not_transient() {
    let fake = FakeSsm::default();
    let register = fake.register(SsmConfig::new("/fleet")).await;
    let cases = [
        ("AccessDeniedException", StoreErrorKind::Denied),
        ("InvalidKeyId", StoreErrorKind::Invalid),
        ("HierarchyTypeMismatchException", StoreErrorKind::Invalid),
        ("ParameterMaxVersionLimitExceeded", StoreErrorKind::Invalid),
    ];
    for (code, kind) in cases {
        fake.contents().refusals.push_back((400, code));
        let swap = register.swap(&token("refused"), None, WriteId::random(), &body(1), HOUR).await;
        let refused = swap.unwrap_err();
        assert_eq!(refused.kind(), kind, "{code}");
        assert!(error_chain(&refused).contains(code), "{refused:?}");
    }
}

#[tokio::test]
async fn neither_debug_nor_an_error_shows_a_credential_or_a_record() {
    use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};

    let canary = Credentials::new(
        "AKIDCANARY",
        "canary-secret",
        Some("canary-session".to_owned()),
        None,
        "canary",
    );
    let aws = aws::config(Some("http://127.0.0.1:9")).await.into_builder();
    let aws = aws.credentials_provider(SharedCredentialsProvider::new(canary)).build();
    let register = SsmBackend::new(SsmConfig::new("/fleet"), &aws).unwrap();
    let record = r#"{"token":"canary-token"}"#.parse::<Body>().unwrap();
    let swap = register.swap(&token("secret"), None, WriteId::random(), &record, HOUR).await;
    let failed = swap.unwrap_err();
    assert_eq!(failed.kind(), StoreErrorKind::Unavailable);
    let shown = format!("{register:?} {failed:?} {failed} {}", failed.source().unwrap());
    assert!(!shown.to_lowercase().contains("canary"), "{shown}");
    assert_eq!(attempt(&register, &token("any"), None, 1).await, Err(StoreErrorKind::Unavailable));
}

#[tokio::test]
async fn a_missing_region_is_named_before_any_request() {
    let nowhere = aws::config(None).await.into_builder().region(None).build();
    let refused = SsmBackend::new(SsmConfig::new("/fleet"), &nowhere).unwrap_err();
    assert!(refused.to_string().contains("AWS_REGION"), "{refused}");
    assert!(
        SsmBackend::new(SsmConfig::new("/fleet").with_region("eu-central-1"), &nowhere).is_ok()
    );
}

#[tokio::test]
async fn the_tier_of_the_configuration_is_written() {
    for (tier, written) in [
        (None, json!(null)),
        (Some(Tier::Standard), "Standard".into()),
        (Some(Tier::Advanced), "Advanced".into()),
        (Some(Tier::Intelligent), "Intelligent-Tiering".into()),
    ] {
        let fake = FakeSsm::default();
        let config = tier.into_iter().fold(aws::ssm_config(), SsmConfig::with_tier);
        let register = fake.register(config).await;
        write(&register, &token("tier"), None, 1).await;
        assert_eq!(fake.contents().puts[0]["Tier"], written);
    }
}
