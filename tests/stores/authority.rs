//! AWS behind a private certificate authority, which `AWS_CA_BUNDLE` names or the code passes.

use std::fs;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use funcify_backend_dynamodb::{DynamoDbBackend, DynamoDbConfig};
use funcify_core::StoreErrorKind;
use funcify_core::register::Register;

use crate::sharing::fleet;
use crate::support::attempt::{token, unique};
use crate::support::env;
use crate::support::https;
use crate::support::process::Process;

/// An AWS endpoint without any records.
fn endpoint() -> String {
    https::serve(|head| {
        let is_ssm = |line: &str| line.starts_with("x-amz-target:") && line.contains("ssm");
        match head.lines().any(is_ssm) {
            true => ("400 Bad Request", r#"{"__type":"ParameterNotFound"}"#),
            false => ("200 OK", "{}"),
        }
    })
}

/// The exit code and standard error of a process that reads one record and trusts `bundle`.
async fn reads_once(store: &str, bundle: Option<&str>) -> (Option<i32>, String) {
    let mut command = fleet::command(&unique("authority"), "read");
    command.env("FUNCIFY_BACKEND", store).env_remove("AWS_CA_BUNDLE");
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    let url = endpoint();
    for service in ["DYNAMODB", "SSM"] {
        command.env(format!("AWS_ENDPOINT_URL_{service}"), &url);
    }
    if let Some(name) = bundle {
        command.env("AWS_CA_BUNDLE", env::tls().join(name));
    }
    let mut process = Process::start(command);
    let status = process.ended(Duration::from_secs(30)).await;
    (status.code(), process.stderr())
}

/// Runs such a process, and runs it again if a busy machine exceeds a time limit.
async fn reads(store: &str, bundle: Option<&str>) -> (Option<i32>, String) {
    for _ in 0..20 {
        let (code, stderr) = reads_once(store, bundle).await;
        if !stderr.contains("in time") {
            return (code, stderr);
        }
    }
    panic!("{store} with {bundle:?} never responds in time");
}

#[tokio::test]
async fn a_private_authority_is_trusted_only_if_aws_ca_bundle_names_it() {
    for store in ["dynamodb://fleet?region=us-east-1", "ssm:///fleet?region=us-east-1"] {
        let (code, stderr) = reads(store, Some("ca.pem")).await;
        assert_eq!((code, &*stderr), (Some(0), ""), "{store}");
        // No bundle, and a bundle whose certificate did not sign that of the server.
        for bundle in [None, Some("server.pem")] {
            let (code, stderr) = reads(store, bundle).await;
            assert_eq!(code, Some(2), "{store} with {bundle:?}");
            assert!(stderr.contains("is unavailable"), "{stderr}");
            assert!(stderr.contains("invalid peer certificate: UnknownIssuer"), "{stderr}");
        }
    }
}

/// A configuration in code that trusts this authority.
async fn in_code(trusted: TrustStore) -> SdkConfig {
    let tls = TlsContext::builder().with_trust_store(trusted).build().unwrap();
    let http = Builder::new()
        .tls_provider(Provider::rustls(CryptoMode::AwsLc))
        .tls_context(tls)
        .build_https();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
        .endpoint_url(endpoint())
        .load()
        .await
}

#[tokio::test]
async fn a_private_authority_is_trusted_only_if_it_is_given_in_code() {
    let authority = fs::read(env::tls().join("ca.pem")).unwrap();
    let config = || DynamoDbConfig::new("fleet").with_attempt_timeout(Duration::from_secs(5));

    let aws = in_code(TrustStore::empty().with_pem_certificate(authority)).await;
    let register = DynamoDbBackend::new(config(), &aws).unwrap();
    assert!(register.read(&token("authority")).await.unwrap().is_none());

    let aws = in_code(TrustStore::empty().with_native_roots(true)).await;
    let register = DynamoDbBackend::new(config(), &aws).unwrap();
    let refused = register.read(&token("authority")).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Unavailable, "{refused:?}");
    assert!(format!("{refused:?}").contains("UnknownIssuer"), "{refused:?}");
}
