use std::sync::Arc;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use funcify_core::engine::{Clock, SystemClock};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, DATE, RETRY_AFTER},
};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::assertion::assertion;
use super::discovered::Discovered;
use super::error::GrantError;
use super::reply::ReplyError;
use super::{Grant, Granted, discovery, endpoint, reply};
use crate::client::{ReadError, read_secret, secret_bytes, secret_header, secret_text};
use crate::token::authentication::{ClientAuthentication, ClientSecret};
use crate::token::credentials::{ClientCredentials, Endpoint};

/// The largest response that is read: 64 KB. A token has 16 KB at most.
const REPLY_LIMIT: usize = 65_536;

/// The grant over HTTP: one `POST` to the token endpoint (RFC 6749 §4.4.2).
///
/// It follows no redirect, because that would send the secret to another server.
#[derive(Debug)]
pub(in crate::token) struct HttpGrant {
    http: reqwest::Client,
    /// The token endpoint from the issuer's metadata, once it has been read.
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
            // `read_secret` can wipe the buffers of a closed connection only. The next request is a token's
            // lifetime away, so an open connection would be of no use.
            .header(CONNECTION, "close")
            .header(CONTENT_TYPE, FORM)
            .body(encoded(&form));
        if let Some(header) = header {
            request = request.header(AUTHORIZATION, header);
        }
        // Without its URL, reqwest's error shows nothing of the request.
        let unreachable =
            |error: reqwest::Error| GrantError::Unreachable(error.without_url().into());
        let response = request.send().await.map_err(unreachable)?;
        let (status, headers) = (response.status(), copied(response.headers()));
        let body = match read_secret(response, REPLY_LIMIT).await {
            Ok(body) => body,
            Err(ReadError::Cut(error)) => return Err(unreachable(error)),
            // The status of an error page is enough, however long the page is.
            Err(ReadError::TooLarge { .. }) if !status.is_success() => Zeroizing::default(),
            Err(ReadError::TooLarge { limit }) => return Err(ReplyError::TooLarge { limit }.into()),
        };
        reply::parse(status, &headers, &body, &credentials.accepted_types)
    }
}

/// Copies the headers that are needed later. The values in the response are slices of the buffer that also
/// contains the body, and that buffer will be wiped.
fn copied(headers: &HeaderMap) -> HeaderMap {
    let copy = |name: HeaderName| {
        let value = HeaderValue::from_bytes(headers.get(&name)?.as_bytes()).ok()?;
        Some((name, value))
    };
    [DATE, RETRY_AFTER].into_iter().filter_map(copy).collect()
}

const FORM: &str = "application/x-www-form-urlencoded";

/// The encoded form. It is wiped from memory once it has been sent, because it may contain a secret.
fn encoded(form: &[(&str, &str)]) -> Bytes {
    // Encoding makes at most three bytes of one. The memory is reserved at once, because a text that grows
    // leaves copies in memory.
    let longest = form.iter().map(|(name, value)| (name.len() + value.len()) * 3 + 2).sum();
    let mut text = Zeroizing::new(String::with_capacity(longest));
    for (name, value) in form {
        if !text.is_empty() {
            text.push('&');
        }
        text.extend(form_urlencoded::byte_serialize(name.as_bytes()));
        text.push('=');
        text.extend(form_urlencoded::byte_serialize(value.as_bytes()));
    }
    secret_bytes(text)
}

type Proof = (Option<HeaderValue>, Vec<(&'static str, Zeroizing<String>)>);

/// The proof of the client's identity: a header, or members of the form.
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
            vec![
                ("client_id", client_id.to_owned().into()),
                ("client_secret", secret.to_owned().into()),
            ],
        )),
        ClientAuthentication::PrivateKeyJwt(signer) => {
            let audience = credentials.assertion_audience.as_deref().unwrap_or(issuer);
            let assertion = assertion(&**signer, client_id, audience, SystemClock.now()).await;
            let assertion = assertion.map_err(GrantError::Signature)?;
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            Ok((
                None,
                vec![
                    ("client_id", client_id.to_owned().into()),
                    ("client_assertion_type", kind.to_owned().into()),
                    ("client_assertion", assertion.into()),
                ],
            ))
        }
    }
}

/// The value of the `Authorization` header. The id and the secret are form-encoded before they are joined
/// with `:` (RFC 6749 §2.3.1), so each may contain a `:`.
fn basic(client_id: &str, secret: &str) -> Result<HeaderValue, GrantError> {
    let part = |text: &str| {
        let mut part = Zeroizing::new(String::with_capacity(text.len() * 3));
        part.extend(form_urlencoded::byte_serialize(text.as_bytes()));
        part
    };
    let pair = secret_text(&[&part(client_id), ":", &part(secret)]);
    let pair = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
    secret_header(secret_text(&["Basic ", &pair])).ok_or_else(|| {
        GrantError::Signature("the client's id and secret do not fit into a header".into())
    })
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

    #[test]
    fn a_form_is_encoded_as_other_clients_encode_it() {
        let form =
            [("grant_type", "client_credentials"), ("a b", "ü&="), ("resource", ""), ("*", "~-_.")];
        let theirs = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        assert_eq!(encoded(&form), theirs);
        assert_eq!(encoded(&[]), "");
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
