//! Asks an issuer's userinfo endpoint about the user of a token (OpenID Connect Core, section 5.3).

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest;
use funcify_core::{Timestamp, engine::Clock};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use crate::auth::authenticator::error::Unauthenticated;
use crate::auth::authenticator::fetch::{Fetch, FetchError};
use crate::json::object::parse_object;
use crate::shown_url::shown;

/// The largest reply: 64 KB. The claims about one person take a few KB.
const LARGEST: usize = 64 * 1024;
/// How long a reply is kept: 60 s, so that all requests of one web page cause one fetch, and a change is seen
/// soon.
const KEPT: Duration = Duration::from_secs(60);
/// The most replies that are kept, to bound the memory: more than the callers that one instance serves in a
/// minute.
const MOST: usize = 1_000;

/// The userinfo endpoint of one issuer, and its latest replies.
pub(super) struct Userinfo {
    url: Url,
    /// The key is the SHA-256 of the token, so that no token is kept here.
    replies: Mutex<HashMap<[u8; 32], Reply>>,
}

struct Reply {
    claims: Arc<Map<String, Value>>,
    until: Timestamp,
}

/// A request for the userinfo of one token.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) userinfo: Arc<Userinfo>,
    pub(super) fetch: Fetch,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) token: SecretString,
    pub(super) expires_at: Timestamp,
}

impl Request {
    /// The claims about `subject`, kept or fetched.
    pub(super) async fn claims_of(
        &self,
        subject: &str,
    ) -> Result<Arc<Map<String, Value>>, Unauthenticated> {
        let key = sha256(&self.token);
        if let Some(claims) = self.userinfo.kept(&key, self.clock.now()) {
            return Ok(claims);
        }
        let asked_at = self.clock.now();
        let claims = self.fetched(subject).await?;
        let until = self.expires_at.min(asked_at + KEPT);
        self.userinfo.keep(key, Reply { claims: claims.clone(), until }, asked_at);
        Ok(claims)
    }

    async fn fetched(&self, subject: &str) -> Result<Arc<Map<String, Value>>, Unauthenticated> {
        const UNUSABLE: FetchError = FetchError::Unusable("expected a JSON object");
        let reply = self.fetch.get_in_time(&self.userinfo.url, Some(&self.token), LARGEST).await;
        let reply = reply.map_err(|error| {
            let host = self.userinfo.url.host_str();
            tracing::warn!(
                userinfo = host,
                error = crate::error_chain(&*error),
                "userinfo not fetched"
            );
            Unauthenticated::Unavailable(error)
        })?;
        let reply = reply.ok_or(Unauthenticated::Unconfirmed)?;
        let claims =
            parse_object(&reply).ok_or_else(|| Unauthenticated::Unavailable(Arc::new(UNUSABLE)))?;
        // OpenID Connect Core, section 5.3.2: a reply about another subject must not be used.
        if claims.get("sub").and_then(Value::as_str) == Some(subject) {
            Ok(Arc::new(claims))
        } else {
            Err(Unauthenticated::Unconfirmed)
        }
    }
}

impl Userinfo {
    pub(super) fn new(url: Url) -> Self {
        Self { url, replies: Mutex::default() }
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    fn kept(&self, key: &[u8; 32], now: Timestamp) -> Option<Arc<Map<String, Value>>> {
        let replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        let reply = replies.get(key)?;
        // If the clock was set back, the reply would otherwise be kept too long.
        let remaining = reply.until.since(now);
        (now < reply.until && remaining <= KEPT).then(|| reply.claims.clone())
    }

    fn keep(&self, key: [u8; 32], reply: Reply, now: Timestamp) {
        let mut replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        if replies.len() >= MOST {
            replies.retain(|_, reply| now < reply.until);
        }
        if replies.len() >= MOST
            && let Some(first) =
                replies.iter().min_by_key(|(_, reply)| reply.until).map(|(key, _)| *key)
        {
            replies.remove(&first);
        }
        replies.insert(key, reply);
    }
}

fn sha256(token: &SecretString) -> [u8; 32] {
    let mut key = [0; 32];
    let digest = digest::digest(&digest::SHA256, token.expose_secret().as_bytes());
    for (byte, hashed) in key.iter_mut().zip(digest.as_ref()) {
        *byte = *hashed;
    }
    key
}

impl fmt::Debug for Userinfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Userinfo").field("url", &shown(self.url.as_str())).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_bounded_and_the_first_to_end_is_dropped_first() {
        let userinfo = Userinfo::new("https://login.example.com/userinfo".parse().unwrap());
        let now = Timestamp::from_millis(1_000_000);
        let key = |number: usize| sha256(&SecretString::from(number.to_string()));
        for number in 0..MOST + 10 {
            let until = now + Duration::from_millis(1_000 + u64::try_from(number).unwrap());
            userinfo.keep(key(number), Reply { claims: Arc::default(), until }, now);
        }
        assert_eq!(userinfo.replies.lock().unwrap().len(), MOST);
        assert!(userinfo.kept(&key(9), now).is_none());
        assert!(userinfo.kept(&key(10), now).is_some());
    }
}
