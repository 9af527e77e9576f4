//! Reads secrets with the AWS SDK, if the feature `secrets` is on.

use std::error::Error;

use zeroize::Zeroizing;

use crate::token::SecretUrl;

type Read = Result<Zeroizing<String>, Box<dyn Error + Send + Sync>>;

/// Reads the current secret.
#[cfg(feature = "secrets")]
pub(crate) async fn read(secret: &SecretUrl) -> Read {
    let mut aws = super::aws::Aws::default();
    let config = aws.config("secrets", limits()).await?;
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

/// Longer than for a store. A process reads a secret at its start, when the first connection of a small function
/// alone takes some hundred milliseconds, and no other process can read it instead.
#[cfg(feature = "secrets")]
fn limits() -> funcify_core::engine::TimeLimits {
    use std::time::Duration;

    funcify_core::engine::TimeLimits::default()
        .with_timeout(Duration::from_secs(2))
        .with_connect_timeout(Duration::from_secs(1))
}

#[cfg(not(feature = "secrets"))]
#[expect(clippy::unused_async, reason = "with the feature it asks AWS")]
pub(crate) async fn read(_secret: &SecretUrl) -> Read {
    Err("the AWS Parameters and Secrets Lambda Extension does not run here, and this build has no other way to \
         a secret: add the extension's layer, or switch on the feature `secrets` of funcify"
        .into())
}
