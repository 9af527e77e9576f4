//! The user that an Application Load Balancer has signed in, in the header `x-amzn-oidc-data`.
//!
//! Source: "Authenticate users using an Application Load Balancer" in the user guide of Elastic Load Balancing.

use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;
use reqwest::Url;
use serde_json::Value;

use crate::auth::authenticator::algorithm::Algorithm;
use crate::auth::authenticator::caller::Caller;
use crate::auth::authenticator::claims;
use crate::auth::authenticator::error::Unauthenticated;
use crate::auth::authenticator::fetch::{Fetch, FetchError};
use crate::auth::authenticator::jwt::Jwt;
use crate::auth::authenticator::key_cache::{KeyCache, RefreshPolicy};
use crate::auth::authenticator::verify::Shared;

/// How many keys are kept. A load balancer signs with one key, and after a rotation with another. The rest is
/// for key names that somebody invents.
const MOST_KEYS: usize = 8;

type NamedKey = (String, Arc<KeyCache>);

/// A load balancer whose statements about its users are trusted. Clones share its keys.
#[derive(Clone, Debug)]
pub(super) struct LoadBalancer {
    arn: String,
    /// The URL below which the region publishes its keys, each under its name. It ends in a slash.
    pub(super) published_at: String,
    /// The keys by name, the most recently used last.
    keys: Arc<Mutex<Vec<NamedKey>>>,
}

impl LoadBalancer {
    /// The load balancer with this ARN. `None` if the text is not the ARN of an Application Load Balancer, or
    /// AWS does not document where the keys of its partition are published.
    pub(super) fn new(arn: &str) -> Option<Self> {
        let mut parts = arn.split(':');
        let mut next = || parts.next();
        let ("arn", partition, "elasticloadbalancing") = (next()?, next()?, next()?) else {
            return None;
        };
        let (region, account, resource) = (next()?, next()?, next()?);
        let is_region =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if region.is_empty()
            || !region.bytes().all(is_region)
            || account.is_empty()
            || !resource.starts_with("loadbalancer/app/")
            || next().is_some()
        {
            return None;
        }
        let published_at = match partition {
            "aws" => format!("https://public-keys.auth.elb.{region}.amazonaws.com/"),
            "aws-us-gov" => {
                format!("https://s3-{region}.amazonaws.com/aws-elb-public-keys-prod-{region}/")
            }
            _ => return None,
        };
        Some(Self { arn: arn.to_owned(), published_at, keys: Arc::default() })
    }

    /// The user that the header `data` names. Every check must pass.
    pub(super) async fn user(
        &self,
        data: &str,
        shared: Shared<'_>,
    ) -> Result<Caller, Unauthenticated> {
        const NO_KEY: Unauthenticated =
            Unauthenticated::Malformed("`kid` is not the name of a key");

        let jwt = Jwt::parse_padded(data)?;
        // AWS signs for the load balancers of all customers, so the signer must be this one.
        if jwt.header("signer").and_then(Value::as_str) != Some(&*self.arn) {
            return Err(Unauthenticated::Issuer);
        }
        if jwt.algorithm != Algorithm::Es256 {
            return Err(Unauthenticated::Algorithm);
        }
        // The name becomes a part of a URL.
        let kid = jwt.kid.as_deref().ok_or(NO_KEY)?;
        if kid.len() > 64 || !kid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(NO_KEY);
        }
        let cache = self.cache(kid).ok_or_else(Unauthenticated::no_address)?;
        let fetch = Fetch { client: shared.http.cloned(), circuit: None };
        let keys = cache.keys(None, jwt.algorithm, &fetch, &**shared.clock).await;
        let keys =
            keys.map_err(|error| if is_unknown(&error) { Unauthenticated::Key } else { error })?;
        if !keys.candidates(None, jwt.algorithm).into_iter().any(|key| jwt.is_signed_by(key)) {
            return Err(Unauthenticated::Signature);
        }
        jwt.check_times_of_header(shared.clock.now())?;
        let mut caller = Caller::new(jwt.subject()?);
        let granted = claims::permissions(&jwt.claims, &[], claims::words);
        caller.permissions = granted.into_iter().map(str::to_owned).collect();
        caller.issuer = jwt.header("iss").and_then(Value::as_str).map(str::to_owned);
        caller.claims = jwt.claims;
        Ok(caller)
    }

    /// The cache of the key with this name. If there is no room, a key that AWS did not have is removed
    /// first.
    fn cache(&self, kid: &str) -> Option<Arc<KeyCache>> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let known = keys.iter().position(|(known, _)| known == kid);
        let last = match known {
            Some(position) => keys.remove(position),
            None => {
                if keys.len() >= MOST_KEYS {
                    let unused = keys.iter().position(|(_, cache)| !cache.has_keys());
                    keys.remove(unused.unwrap_or(0));
                }
                let url = Url::parse(&format!("{}{kid}", self.published_at)).ok()?;
                (kid.to_owned(), Arc::new(KeyCache::of_one_key(url, RefreshPolicy::DEFAULT)))
            }
        };
        let cache = Arc::clone(&last.1);
        keys.push(last);
        Some(cache)
    }
}

/// Whether the error means that AWS has no key with this name.
fn is_unknown(error: &Unauthenticated) -> bool {
    let Unauthenticated::Unavailable(cause) = error else { return false };
    let unknown = [StatusCode::BAD_REQUEST, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND];
    matches!(cause.downcast_ref(), Some(FetchError::Status(status)) if unknown.contains(status))
}
