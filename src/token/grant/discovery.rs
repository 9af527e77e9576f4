use funcify_core::circuit::CallOutcome;
use serde::Deserialize;
use url::Url;

use super::discovered::Discovered;
use super::endpoint;
use super::error::GrantError;
use crate::client::{outcome_of, read_capped};

/// The largest metadata that is read: 64 KB. A provider's metadata usually takes a few kilobytes.
const METADATA_LIMIT: usize = 65_536;

/// The members of a provider's metadata that are needed here.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    token_endpoint: String,
}

/// Why a provider's metadata cannot be used.
#[derive(Debug, thiserror::Error)]
enum MetadataError {
    #[error("expected the issuer's metadata, got status {status}")]
    Status { status: u16 },
    #[error("expected a JSON object with `issuer` and `token_endpoint`")]
    NotMetadata,
    #[error("expected the metadata of this issuer, got that of another issuer")]
    OtherIssuer,
}

/// Finds an issuer's token endpoint: OpenID Connect Discovery §4 first, then RFC 8414 §3.
pub(super) async fn discover(
    http: &reqwest::Client,
    issuer: &str,
) -> Result<Discovered, GrantError> {
    let base = endpoint::parse(issuer).map_err(|error| GrantError::Discovery(error.into()))?;
    let openid = well_known(&base, |path| format!("{path}/.well-known/openid-configuration"));
    let metadata = match metadata(http, openid).await {
        Ok(metadata) => metadata,
        Err(GrantError::Discovery(_)) => {
            let oauth =
                well_known(&base, |path| format!("/.well-known/oauth-authorization-server{path}"));
            self::metadata(http, oauth).await?
        }
        Err(error) => return Err(error),
    };
    if metadata.issuer.trim_end_matches('/') != issuer.trim().trim_end_matches('/') {
        return Err(GrantError::Discovery(MetadataError::OtherIssuer.into()));
    }
    let token_endpoint = endpoint::parse(&metadata.token_endpoint);
    let token_endpoint = token_endpoint.map_err(|error| GrantError::Discovery(error.into()))?;
    Ok(Discovered { token_endpoint, issuer: metadata.issuer })
}

fn well_known(base: &Url, path: impl Fn(&str) -> String) -> Url {
    let mut url = base.clone();
    url.set_path(&path(base.path().trim_end_matches('/')));
    url
}

async fn metadata(http: &reqwest::Client, url: Url) -> Result<Metadata, GrantError> {
    let reply = http.get(url).send().await;
    let reply = reply.map_err(|error| GrantError::Unreachable(error.without_url().into()))?;
    let status = reply.status();
    if outcome_of(status) == CallOutcome::Failure {
        return Err(GrantError::Unavailable { status: status.as_u16(), retry_after: None });
    }
    if !status.is_success() {
        let error = MetadataError::Status { status: status.as_u16() };
        return Err(GrantError::Discovery(error.into()));
    }
    let body = read_capped(reply, METADATA_LIMIT).await;
    let body = body.map_err(|error| GrantError::Discovery(error.into()))?;
    serde_json::from_slice(&body)
        .map_err(|_| GrantError::Discovery(MetadataError::NotMetadata.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_path_is_where_each_standard_puts_it() {
        let base = Url::parse("https://login.example/tenant/").unwrap();
        let openid = well_known(&base, |path| format!("{path}/.well-known/openid-configuration"));
        assert_eq!(openid.path(), "/tenant/.well-known/openid-configuration");
        let oauth =
            well_known(&base, |path| format!("/.well-known/oauth-authorization-server{path}"));
        assert_eq!(oauth.path(), "/.well-known/oauth-authorization-server/tenant");
    }
}
