//! Reads secrets with the AWS SDK, if the feature `secrets` is on.

use std::error::Error;

use zeroize::Zeroizing;

use crate::token::SecretUrl;

type Read = Result<Zeroizing<String>, Box<dyn Error + Send + Sync>>;

/// How long a connection may take: 1 s, and not 250 ms as for a store. A process reads a secret at its start, when the
/// first connection of a small function takes some hundred milliseconds, and no other process can read it instead.
#[cfg(feature = "secrets")]
const CONNECT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(1);

/// Reads the current secret.
#[cfg(feature = "secrets")]
pub(crate) async fn read(secret: &SecretUrl) -> Read {
    use funcify_core::engine::TimeLimits;

    let mut aws = super::aws::Aws::default();
    let config =
        aws.config("secrets", TimeLimits::default().with_connect_timeout(CONNECT_TIMEOUT)).await?;
    let found = match secret {
        SecretUrl::SecretsManager(name) => {
            let client = aws_sdk_secretsmanager::Client::new(config);
            client.get_secret_value().secret_id(name).send().await?.secret_string
        }
        SecretUrl::Parameter(name) => {
            let client = aws_sdk_ssm::Client::new(config);
            let found = client.get_parameter().name(name).with_decryption(true).send().await?;
            found.parameter.and_then(|parameter| parameter.value)
        }
    };
    found.map(Zeroizing::new).ok_or_else(|| "expected a secret of text".into())
}

#[cfg(not(feature = "secrets"))]
#[expect(clippy::unused_async, reason = "with the feature it asks AWS")]
pub(crate) async fn read(_secret: &SecretUrl) -> Read {
    Err("the AWS Parameters and Secrets Lambda Extension does not run here, and this build has no other way to \
         a secret: add the extension's layer, or switch on the feature `secrets` of funcify"
        .into())
}
