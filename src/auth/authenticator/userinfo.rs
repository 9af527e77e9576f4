//! What the issuer says of the user behind a token, asked for when it is wanted.

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

use crate::auth::authenticator::Unauthenticated;
use crate::auth::authenticator::builder::shown;
use crate::auth::authenticator::fetch::{Fetch, FetchError};
use crate::json::members;

/// A reply larger than this, 64 KB, is not read.
const LARGEST: usize = 64 * 1024;
/// How long a reply is good for at most.
const KEPT: Duration = Duration::from_secs(60);
/// How many replies are kept.
const MOST: usize = 1_000;

/// The userinfo endpoint of one issuer (OpenID Connect Core, section 5.3), and its latest replies.
pub(crate) struct Userinfo {
    url: Url,
    /// By the SHA-256 of the token: a token is not kept for this.
    replies: Mutex<HashMap<[u8; 32], Reply>>,
}

struct Reply {
    claims: Arc<Map<String, Value>>,
    until: Timestamp,
}

/// The token that userinfo is asked for.
#[derive(Clone)]
pub(crate) struct Question {
    pub(crate) userinfo: Arc<Userinfo>,
    pub(crate) fetch: Fetch,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) token: SecretString,
    pub(crate) expires_at: Timestamp,
}

impl Question {
    /// The claims, of `subject` and of nobody else.
    pub(crate) async fn ask(
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
        let reply = self.fetch.get_in_time(&self.userinfo.url, Some(&self.token), LARGEST).await;
        let reply = reply.map_err(|error| {
            tracing::warn!(userinfo = self.userinfo.url.host_str(), error = %error, "not fetched");
            Unauthenticated::Unavailable(error)
        })?;
        let reply = reply.ok_or(Unauthenticated::Unconfirmed)?;
        let claims = members::object(&reply)
            .ok_or_else(|| Unauthenticated::unavailable(FetchError::Unusable("no JSON object")))?;
        if claims.get("sub").and_then(Value::as_str) == Some(subject) {
            Ok(Arc::new(claims))
        } else {
            Err(Unauthenticated::Unconfirmed)
        }
    }
}

impl Userinfo {
    pub(crate) fn new(url: Url) -> Self {
        Self { url, replies: Mutex::default() }
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    fn kept(&self, key: &[u8; 32], now: Timestamp) -> Option<Arc<Map<String, Value>>> {
        let replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        let reply = replies.get(key)?;
        // A clock that was set back must not make it last.
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
        f.debug_struct("Userinfo").field("url", &shown(&self.url)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_bounded_and_the_first_to_end_goes_first() {
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
