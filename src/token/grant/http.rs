use std::sync::Arc;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use funcify_core::engine::{Clock, SystemClock};
use http::{
    HeaderValue,
    header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION},
};
use url::form_urlencoded;

use super::assertion::assertion;
use super::discovered::Discovered;
use super::error::GrantError;
use super::reply::ReplyError;
use super::{Grant, Granted, discovery, endpoint, reply};
use crate::client::{ReadError, read_capped};
use crate::token::authentication::{ClientAuthentication, ClientSecret};
use crate::token::credentials::{ClientCredentials, Endpoint};

/// The largest response that is read: 64 KB. A token has 16 KB at most.
const REPLY_LIMIT: usize = 65_536;

/// The grant over HTTP: one `POST` to the token endpoint (RFC 6749 §4.4.2).
///
/// It follows no redirect: the secret would go along.
#[derive(Debug)]
pub(in crate::token) struct HttpGrant {
    http: reqwest::Client,
    /// The token endpoint that the issuer's metadata named.
    discovered: ArcSwapOption<Discovered>,
}

impl HttpGrant {
    /// A grant over this client, which must follow no redirects.
    pub(in crate::token) fn new(http: reqwest::Client) -> Self {
        Self { http, discovered: ArcSwapOption::empty() }
    }

    async fn discover(
        &self,
        credentials: &ClientCredentials,
    ) -> Result<Arc<Discovered>, GrantError> {
        let issuer = match &credentials.endpoint {
            Endpoint::TokenUrl(url) => {
                let token_endpoint =
                    endpoint::parse(url).map_err(|error| GrantError::Discovery(error.into()))?;
                let issuer = token_endpoint.as_str().to_owned();
                return Ok(Arc::new(Discovered { token_endpoint, issuer }));
            }
            Endpoint::Issuer(issuer) => issuer,
        };
        if let Some(known) = self.discovered.load_full() {
            return Ok(known);
        }
        let discovered = Arc::new(discovery::discover(&self.http, issuer).await?);
        self.discovered.store(Some(Arc::clone(&discovered)));
        Ok(discovered)
    }
}

#[async_trait]
impl Grant for HttpGrant {
    async fn grant(
        &self,
        credentials: &ClientCredentials,
        secret: Option<&ClientSecret>,
    ) -> Result<Granted, GrantError> {
        let discovered = self.discover(credentials).await?;
        let (header, proof) = proof(credentials, secret, &discovered.issuer).await?;
        let mut form = credentials.form();
        form.extend(proof.iter().map(|(name, value)| (*name, value.as_str())));

        let mut request = self
            .http
            .post(discovered.token_endpoint.clone())
            .header(ACCEPT, "application/json")
            .header(ACCEPT_ENCODING, "identity")
            .form(&form);
        if let Some(header) = header {
            request = request.header(AUTHORIZATION, header);
        }
        // Without its URL, reqwest's error shows nothing of the request.
        let unreachable =
            |error: reqwest::Error| GrantError::Unreachable(error.without_url().into());
        let response = request.send().await.map_err(unreachable)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = match read_capped(response, REPLY_LIMIT).await {
            Ok(body) => body,
            Err(ReadError::Cut(error)) => return Err(unreachable(error)),
            // An error page may be as long as it likes: its status is enough.
            Err(ReadError::TooLarge { .. }) if !status.is_success() => Bytes::new(),
            Err(ReadError::TooLarge { limit }) => return Err(ReplyError::TooLarge { limit }.into()),
        };
        reply::parse(status, &headers, &body, &credentials.accepted_types)
    }
}

type Proof = (Option<HeaderValue>, Vec<(&'static str, String)>);

/// What proves the client's identity: a header, or members of the form.
async fn proof(
    credentials: &ClientCredentials,
    secret: Option<&ClientSecret>,
    issuer: &str,
) -> Result<Proof, GrantError> {
    let client_id = credentials.client_id.as_str();
    let secret = secret.map_or("", ClientSecret::expose);
    match &credentials.authentication {
        ClientAuthentication::Basic(_) => Ok((Some(basic(client_id, secret)?), Vec::new())),
        ClientAuthentication::Post(_) => Ok((
            None,
            vec![("client_id", client_id.to_owned()), ("client_secret", secret.to_owned())],
        )),
        ClientAuthentication::PrivateKeyJwt(signer) => {
            let audience = credentials.assertion_audience.as_deref().unwrap_or(issuer);
            let assertion = assertion(&**signer, client_id, audience, SystemClock.now()).await;
            let assertion = assertion.map_err(GrantError::Signature)?;
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            Ok((
                None,
                vec![
                    ("client_id", client_id.to_owned()),
                    ("client_assertion_type", kind.to_owned()),
                    ("client_assertion", assertion),
                ],
            ))
        }
    }
}

/// Both parts form-encoded, then joined (RFC 6749 §2.3.1): a `:` or a space in a secret survives.
fn basic(client_id: &str, secret: &str) -> Result<HeaderValue, GrantError> {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(secret)));
    let mut header = HeaderValue::from_str(&format!("Basic {pair}"))
        .map_err(|error| GrantError::Signature(error.into()))?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_and_secret_are_form_encoded_before_they_are_joined() {
        let header = basic("a:b", "p w+ä%").unwrap();
        let pair = STANDARD.decode(&header.as_bytes()[6..]).unwrap();
        assert_eq!(pair, b"a%3Ab:p+w%2B%C3%A4%25");
        assert!(header.is_sensitive());
    }

    #[tokio::test]
    async fn the_error_of_an_unreachable_provider_does_not_contain_its_url() {
        let url = "http://127.0.0.1:1/canary/token".to_owned();
        let secret = ClientSecret::from("secret");
        let credentials =
            ClientCredentials::new(Endpoint::TokenUrl(url), "warehouse", secret.clone());
        let grant = HttpGrant::new(crate::client::client().unwrap());
        let error = grant.grant(&credentials, Some(&secret)).await;
        let error = error.unwrap_err();
        assert!(matches!(error, GrantError::Unreachable(_)), "{error}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}
