//! A client secret that AWS keeps: `FUNCIFY_CLIENT_SECRET=secretsmanager://NAME` or `ssm://NAME`. No Lambda extension
//! runs here, so the feature `secrets` reads it with the AWS SDK.

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::sharing::fleet::{Member, command, grants};
use crate::support::{aws, env, https, ports};

/// Asks for tokens with the secret that `url` names. The provider refuses every other secret.
async fn gets_a_token(name: &str, url: &str, set: impl FnOnce(&mut Command)) {
    let before = grants(name).await;
    let mut command = command(name, "hold 100");
    set(&mut command);
    command.env("FUNCIFY_BACKEND", "memory:").env("FUNCIFY_CLIENT_SECRET", url);
    // Nobody listens there.
    command.env("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", ports::free().to_string());
    let member = Member::run(command);
    let held = member.took("hold").await;
    assert_eq!((&held["minted"], &held["not_served"]), (&1.into(), &0.into()), "{held}");
    assert_eq!(grants(name).await, before + 1);
    member.ended().await;
}

#[tokio::test]
#[cfg_attr(own_ssm, ignore = "SSM is your own, and this test needs our local AWS")]
async fn the_sdk_reads_a_secret_in_secrets_manager() {
    let client = aws_sdk_secretsmanager::Client::new(&aws::config(None).await);
    let (name, secret) = ("funcify-test/by-url", env::idp_secret());
    client.create_secret().name(name).secret_string(secret).send().await.unwrap();
    gets_a_token("secrets-manager", &format!("secretsmanager://{name}"), |_| {}).await;
}

#[tokio::test]
#[cfg_attr(own_ssm, ignore = "SSM is your own, and this test needs our local AWS")]
async fn the_sdk_reads_a_secret_in_parameter_store() {
    use aws_sdk_ssm::types::ParameterType;

    let client = aws_sdk_ssm::Client::new(&aws::config(None).await);
    let name = "/funcify-test/by-url";
    let put = client.put_parameter().name(name).value(env::idp_secret()).overwrite(true);
    put.r#type(ParameterType::SecureString).send().await.unwrap();
    gets_a_token("parameter-store", &format!("ssm://{name}"), |_| {}).await;
}

/// The first connection of a small function takes some hundred milliseconds. A store would be given up by then.
#[tokio::test]
async fn a_connection_to_aws_that_takes_600_ms_is_waited_for() {
    let endpoint = https::serve_after(Duration::from_millis(600), |_| {
        let found = json!({ "Name": "slow", "SecretString": env::idp_secret() }).to_string();
        ("200 OK", found.leak())
    });
    gets_a_token("slow-secret", "secretsmanager://slow", |command| {
        command.env("AWS_ENDPOINT_URL_SECRETS_MANAGER", endpoint);
        command.env("AWS_CA_BUNDLE", env::tls().join("ca.pem")).env("AWS_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    })
    .await;
}
