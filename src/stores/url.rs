//! The URL of a backend.

use std::{fmt, str::FromStr};

use crate::config_error::ConfigError;
use crate::shown_url::shown_scheme;

/// A backend with its URL. Every build has every variant, so that a disabled backend gets an error of its
/// own.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Backend {
    Memory,
    Redis(String),
    DynamoDb(String),
    Ssm(String),
}

impl Backend {
    /// The feature of this crate that includes the backend.
    pub(super) fn feature(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis(_) => "redis",
            Self::DynamoDb(_) => "dynamodb",
            Self::Ssm(_) => "ssm",
        }
    }
}

impl FromStr for Backend {
    type Err = ConfigError;

    /// Recognizes the backend by the scheme, whose case does not matter (RFC 3986 §3.1). The backend itself
    /// parses the rest.
    fn from_str(url: &str) -> Result<Self, ConfigError> {
        let (scheme, rest) = url.split_once(':').unwrap_or_default();
        match scheme.to_ascii_lowercase().as_str() {
            "memory" if matches!(rest, "" | "//") => Ok(Self::Memory),
            "memory" => Err(ConfigError::invalid(
                "expected memory: alone: the memory backend has no host, path or options",
            )),
            "redis" | "rediss" | "redis-cluster" | "rediss-cluster" | "valkey" | "valkeys"
            | "valkey-cluster" | "valkeys-cluster" => Ok(Self::Redis(url.to_owned())),
            "dynamodb" => Ok(Self::DynamoDb(url.to_owned())),
            "ssm" => Ok(Self::Ssm(url.to_owned())),
            _ => Err(unknown(shown_scheme(url))),
        }
    }
}

fn unknown(scheme: &str) -> ConfigError {
    ConfigError::invalid(format!(
        "expected memory:, redis://, rediss://, redis-cluster://, rediss-cluster://, the same with valkey, \
         dynamodb:// or ssm:///, got the scheme {scheme:?}"
    ))
}

impl fmt::Debug for Backend {
    /// Shows only the kind of backend, because its URL may contain a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Backend({})", self.feature())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_debug_form_shows_no_password() {
        for (url, shown) in [
            ("memory:", "Backend(memory)"),
            ("rediss://user:canary@host", "Backend(redis)"),
            ("REDIS-CLUSTER://:canary@one,two", "Backend(redis)"),
            ("DynamoDB://canary", "Backend(dynamodb)"),
            ("ssm:///canary", "Backend(ssm)"),
        ] {
            let backend: Backend = url.parse().unwrap();
            assert_eq!(format!("{backend:?}"), shown);
        }
    }
}
