//! A client secret in AWS Secrets Manager or SSM Parameter Store, named by a URL.
//!
//! If the AWS Parameters and Secrets Lambda Extension runs, the secret is read from it, which needs no SDK.
//! Otherwise the SDK reads the secret, if the feature `secrets` is on.

use std::{error::Error, fmt};

use async_trait::async_trait;
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use super::{
    authentication::{ClientSecret, SecretSource},
    secret_url::SecretUrl,
};
use crate::{
    client::{ReadError, client, read_secret},
    config_error::ConfigError,
    stores::secrets,
};

/// The largest answer that is read: 256 KB. Secrets Manager holds secrets of up to 64 KB, and JSON escapes
/// make one longer.
const LONGEST: usize = 256 * 1024;

/// The default port of the extension. `PARAMETERS_SECRETS_EXTENSION_HTTP_PORT` sets another.
const PORT: u16 = 2773;

/// A secret that is read anew at each call. When the provider refuses an old secret, the next call returns
/// the rotated one.
pub(super) struct StoredSecret {
    secret: SecretUrl,
    endpoint: Url,
    client: reqwest::Client,
    /// `AWS_SESSION_TOKEN`: the extension answers only requests that carry it.
    session_token: String,
}

impl StoredSecret {
    /// The source of the secret that the URL `text` names. Returns `None` if `text` is the secret itself.
    pub(super) fn named(
        text: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Option<Result<Self, String>> {
        Some(SecretUrl::parse(text)?.and_then(|secret| {
            let port = variable("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT");
            let port = port.and_then(|port| port.trim().parse().ok()).unwrap_or(PORT);
            let session_token = variable("AWS_SESSION_TOKEN").unwrap_or_default();
            Self::at(secret, port, session_token).map_err(|error| error.to_string())
        }))
    }

    fn at(secret: SecretUrl, port: u16, session_token: String) -> Result<Self, ConfigError> {
        let because = |error| ConfigError::because("the extension has no address", error);
        let endpoint = Url::parse(&format!("http://localhost:{port}/")).map_err(because)?;
        Ok(Self { secret, endpoint, client: client()?, session_token })
    }

    /// The secret from the extension. Returns `None` if the extension does not run.
    async fn ask_extension(&self) -> Result<Option<Zeroizing<String>>, SecretError> {
        let (path, query) = self.secret.path_and_query();
        let mut url = self.endpoint.clone();
        url.set_path(path);
        url.query_pairs_mut().extend_pairs(query);
        let request = self
            .client
            .get(url)
            .header("X-Aws-Parameters-Secrets-Token", &self.session_token)
            .header(http::header::CONNECTION, "close");
        let reply = match request.send().await {
            Ok(reply) => reply,
            Err(error) if error.is_connect() => return Ok(None),
            Err(error) => return Err(SecretError::Unreachable(error)),
        };
        let status = reply.status();
        let body = read_secret(reply, LONGEST).await.map_err(SecretError::Unread)?;
        if !status.is_success() {
            let said = String::from_utf8_lossy(&body).chars().take(200).collect();
            return Err(SecretError::Refused { status: status.as_u16(), said });
        }
        Ok(Some(secret_in(&body).ok_or(SecretError::Form)?))
    }
}

/// The secret in an answer of the extension. Its JSON is that of `GetSecretValue` or `GetParameter`.
fn secret_in(body: &[u8]) -> Option<Zeroizing<String>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        secret_string: Option<String>,
        parameter: Option<Parameter>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Parameter {
        value: String,
    }

    let answer: Answer = serde_json::from_slice(body).ok()?;
    let value = answer.secret_string.or_else(|| answer.parameter.map(|found| found.value));
    value.map(Zeroizing::new)
}

#[derive(Debug, thiserror::Error)]
enum SecretError {
    #[error("the AWS Parameters and Secrets Lambda Extension did not answer")]
    Unreachable(#[source] reqwest::Error),
    #[error("the answer of the AWS Parameters and Secrets Lambda Extension could not be read")]
    Unread(#[source] ReadError),
    #[error(
        "the AWS Parameters and Secrets Lambda Extension answered {status}: {said}; it serves only within invocations, and only secrets that the function may read"
    )]
    Refused { status: u16, said: String },
    #[error(
        "the answer of the AWS Parameters and Secrets Lambda Extension has no secret as text: store the secret as text, not as binary"
    )]
    Form,
}

#[async_trait]
impl SecretSource for StoredSecret {
    async fn secret(&self) -> Result<ClientSecret, Box<dyn Error + Send + Sync>> {
        let secret = match self.ask_extension().await? {
            Some(secret) => secret,
            None => secrets::read(&self.secret).await?,
        };
        Ok(ClientSecret::from(secret.as_str()))
    }
}

impl fmt::Debug for StoredSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StoredSecret").field(&self.secret).finish()
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// A fake extension: answers each request with the next of `answers`, and returns the requests.
    async fn extension(answers: &[(u16, &str)]) -> (u16, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answers: Vec<_> =
            answers.iter().map(|(status, body)| (*status, (*body).to_owned())).collect();
        let served = tokio::spawn(async move {
            let mut requests = Vec::new();
            for (status, body) in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (mut request, mut piece) = (String::new(), [0; 4_096]);
                while !request.contains("\r\n\r\n") {
                    let read = stream.read(&mut piece).await.unwrap();
                    request.push_str(&String::from_utf8_lossy(&piece[..read]));
                }
                requests.push(request);
                let length = body.len();
                let head = format!("HTTP/1.1 {status} -\r\ncontent-length: {length}\r\n\r\n");
                stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            }
            requests
        });
        (port, served)
    }

    fn at(url: &str, port: u16) -> StoredSecret {
        let secret = SecretUrl::parse(url).unwrap().unwrap();
        StoredSecret::at(secret, port, "session".to_owned()).unwrap()
    }

    #[tokio::test]
    async fn the_extension_is_asked_as_it_wants_to_be_and_each_time_anew() {
        let (port, served) = extension(&[
            (200, r#"{"Name":"idp","SecretString":"one","VersionId":"1"}"#),
            (200, r#"{"Name":"idp","SecretString":"two","VersionId":"2"}"#),
            (200, r#"{"Parameter":{"Name":"/fleet/idp","Value":"three"}}"#),
        ])
        .await;
        let secret = at("secretsmanager://idp", port);
        assert_eq!(secret.secret().await.unwrap().expose(), "one");
        assert_eq!(secret.secret().await.unwrap().expose(), "two", "a rotation is seen");
        let parameter = at("ssm:///fleet/idp", port);
        assert_eq!(parameter.secret().await.unwrap().expose(), "three");
        let requests = served.await.unwrap();
        assert!(
            requests[0]
                .starts_with("GET /secretsmanager/get?secretId=idp&versionStage=AWSCURRENT "),
            "{}",
            requests[0]
        );
        assert!(
            requests[0].contains("x-aws-parameters-secrets-token: session\r\n"),
            "{requests:?}"
        );
        let expected =
            "GET /systemsmanager/parameters/get?name=%2Ffleet%2Fidp&withDecryption=true ";
        assert!(requests[2].starts_with(expected), "{}", requests[2]);
    }

    #[tokio::test]
    async fn an_answer_without_a_secret_is_an_error_that_shows_none() {
        let (port, _served) = extension(&[
            (400, "not ready to serve traffic, please wait"),
            (200, r#"{"SecretBinary":"canary"}"#),
            (200, "canary"),
        ])
        .await;
        let secret = at("secretsmanager://idp", port);
        for expected in ["answered 400: not ready", "has no secret", "has no secret"] {
            let error = secret.secret().await.unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("canary"), "{error}");
        }
    }

    #[tokio::test]
    async fn without_the_extension_the_error_says_what_is_missing() {
        let (port, served) = extension(&[]).await;
        served.await.unwrap();
        let error = at("ssm://idp", port).ask_extension().await.unwrap();
        assert!(error.is_none(), "nobody listens");
    }
}
