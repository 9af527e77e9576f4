use std::{fmt, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{
    Timestamp,
    register::{Record, RecordKind, WriteId},
};

/// An access token. Its `Debug` form is redacted, and its memory is wiped when it is dropped.
///
/// # Examples
///
/// ```
/// use funcify_core::token::AccessToken;
///
/// let token = AccessToken::from("2YotnFZFEjr1zCsicMWpAA");
/// assert_eq!(format!("{token:?}"), "AccessToken(redacted)");
/// assert_eq!(token.expose(), "2YotnFZFEjr1zCsicMWpAA");
/// ```
#[derive(Clone)]
pub struct AccessToken(SecretString);

impl AccessToken {
    /// Returns the text of the token, for the `Authorization` header. Never log it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for AccessToken {
    fn from(token: String) -> Self {
        Self(SecretString::from(token))
    }
}

impl From<&str> for AccessToken {
    fn from(token: &str) -> Self {
        Self(SecretString::from(token))
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(redacted)")
    }
}

impl PartialEq for AccessToken {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for AccessToken {}

impl Serialize for AccessToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for AccessToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// The shared token as it is stored.
///
/// The default is the empty record, without a token and without a lease. An absent record means the same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// The first 32 hexadecimal digits of the SHA-256 of everything that determines the token, such as the
    /// client and the scope. A getter that asks for another token under the same key gets an error.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// `digest`, a colon, and the same digest of the canonical configuration, in which the order of scopes
    /// does not matter, for example. Absent if the two digests are equal. `digest` itself is that of the
    /// configuration as it was written, because version 0.1 compares it.
    #[doc(hidden)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
    /// The token. It is encrypted if the provider seals tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<AccessToken>,
    /// The type of the token, such as `Bearer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_type: Option<String>,
    /// The granted scope, if the provider reported one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// When the token was requested.
    #[serde(default)]
    pub minted_at: Timestamp,
    /// From when on the token may be renewed.
    #[serde(default)]
    pub refresh_at: Timestamp,
    /// When the token expires.
    #[serde(default)]
    pub expires_at: Timestamp,
    /// Which getter is fetching the next token.
    #[doc(hidden)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// The last failure of the provider, which keeps the fleet from asking again for a while.
    #[doc(hidden)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<RememberedFailure>,
    /// When the token was last renewed because an API had rejected it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced_at: Option<Timestamp>,
    /// Until when each process fetches a token of its own, because the store cannot hold the token.
    #[doc(hidden)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unshared_until: Option<Timestamp>,
    /// Members that a newer version of funcify has written. They are kept when this version writes.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// The right to ask the provider for the next token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The random id of the getter that holds the lease.
    #[serde(with = "holder")]
    pub holder: WriteId,
    /// When the lease is over.
    pub until: Timestamp,
}

/// A failure of the provider, remembered for the whole fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RememberedFailure {
    /// Until when nobody asks the provider.
    pub until: Timestamp,
    /// How long the pause was when it was stored, in milliseconds. A reader does not believe the end if
    /// it is further away than that by the reader's clock. Records of version 0.1 do not contain it; their
    /// pauses were a minute at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<u64>,
    /// The OAuth 2.0 error code (RFC 6749 §5.2), or `unavailable`.
    pub code: String,
    /// How many failures there have been in a row.
    pub count: u32,
    /// The keyed digest of the secret that was refused. The failure then applies only to the getters with
    /// that secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cred: Option<String>,
}

impl Record for TokenRecord {
    const KIND: RecordKind = RecordKind::new("token");

    fn keep_for(&self, now: Timestamp) -> Duration {
        let failure = self.failure.as_ref().map_or(Timestamp::EPOCH, |failure| failure.until);
        let needed = self.expires_at.max(failure).max(now).since(now);
        // A corrupt time must not make a store keep the record for ever.
        needed.min(Duration::from_secs(86_400 * 366)) + Duration::from_secs(86_400)
    }
}

mod holder {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::WriteId;

    pub(super) fn serialize<S: Serializer>(holder: &WriteId, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(holder)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<WriteId, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(|_| D::Error::custom("expected 32 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::{Body, Version, Versioned, decode, encode};

    #[test]
    fn members_of_a_newer_version_survive_an_older_one() {
        let body = r#"{"digest":"d","minted_at":1,"from_the_future":[1,{"a":2}]}"#.parse::<Body>();
        let version = Version::from(WriteId::from_bits(1));
        let record = decode::<TokenRecord>(Versioned::new(body.unwrap(), version));
        assert_eq!(record.corruption, None);
        let written = encode(&record.value).unwrap();
        assert_eq!(written.as_ref()["from_the_future"], serde_json::json!([1, {"a": 2}]));
    }

    #[test]
    fn the_debug_form_of_a_record_hides_its_token() {
        let record =
            TokenRecord { token: Some(AccessToken::from("canary")), ..TokenRecord::default() };
        assert!(!format!("{record:?}").contains("canary"));
    }
}
