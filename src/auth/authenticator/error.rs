use std::{error::Error, sync::Arc};

use crate::auth::authenticator::fetch::FetchError;

/// Why the caller could not be identified.
///
/// The pipeline answers 503 for [`Unavailable`](Self::Unavailable). For all others it answers 401, with the
/// `WWW-Authenticate` header of RFC 6750, section 3.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Unauthenticated {
    /// The request has no credentials.
    #[error("no credentials were sent")]
    Missing,
    /// The credentials are not one access token as RFC 7519, RFC 8725 and RFC 9068 define it. The text names
    /// the fault.
    #[error("the access token is malformed: {0}")]
    Malformed(&'static str),
    /// The key set does not allow the algorithm that signed the token.
    #[error("the algorithm of the access token is not allowed")]
    Algorithm,
    /// The key set has no key with the `kid` and the algorithm of the token.
    #[error("no trusted key fits the access token")]
    Key,
    /// The key of the token did not make its signature.
    #[error("the signature of the access token is wrong")]
    Signature,
    /// The token is no longer valid.
    #[error("the access token has expired")]
    Expired,
    /// The token is not valid yet, or its `iat` is in the future.
    #[error("the access token is not valid yet")]
    NotYetValid,
    /// No key set has the `iss` of the token as its issuer.
    #[error("the issuer of the access token is not trusted")]
    Issuer,
    /// The token is for another audience.
    #[error("the access token is meant for another audience")]
    Audience,
    /// The issuer's userinfo endpoint refused the token, or described another subject.
    #[error("the issuer does not confirm the access token")]
    Unconfirmed,
    /// The caller cannot be identified now, because the keys or the userinfo cannot be fetched.
    #[error("the access token cannot be verified now")]
    Unavailable(#[source] Arc<dyn Error + Send + Sync>),
}

impl Unauthenticated {
    /// For a key set whose URL cannot be used.
    pub(super) fn no_address() -> Self {
        Self::Unavailable(Arc::new(FetchError::Address))
    }

    /// The value of the `WWW-Authenticate` header (RFC 6750, section 3). It has no error code if the request
    /// has no credentials, and otherwise `invalid_token`. `None` if the response is not a 401.
    pub(crate) fn www_authenticate(&self) -> Option<&'static str> {
        macro_rules! invalid {
            ($why:literal) => {
                concat!(
                    "Bearer realm=\"api\", error=\"invalid_token\", error_description=\"",
                    $why,
                    "\""
                )
            };
        }
        Some(match self {
            Self::Missing => "Bearer realm=\"api\"",
            Self::Malformed(_) => invalid!("the access token is malformed"),
            Self::Algorithm => invalid!("the algorithm of the access token is not allowed"),
            Self::Key => invalid!("no trusted key fits the access token"),
            Self::Signature => invalid!("the signature of the access token is wrong"),
            Self::Expired => invalid!("the access token has expired"),
            Self::NotYetValid => invalid!("the access token is not valid yet"),
            Self::Issuer => invalid!("the issuer of the access token is not trusted"),
            Self::Audience => invalid!("the access token is meant for another audience"),
            Self::Unconfirmed => invalid!("the issuer does not confirm the access token"),
            Self::Unavailable(_) => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_to_a_request_without_credentials_has_no_error_code() {
        assert_eq!(Unauthenticated::Missing.www_authenticate(), Some("Bearer realm=\"api\""));
    }

    #[test]
    fn every_refusal_has_the_challenge_of_the_rfc() {
        let refusals = [
            Unauthenticated::Malformed("three parts"),
            Unauthenticated::Algorithm,
            Unauthenticated::Key,
            Unauthenticated::Signature,
            Unauthenticated::Expired,
            Unauthenticated::NotYetValid,
            Unauthenticated::Issuer,
            Unauthenticated::Audience,
            Unauthenticated::Unconfirmed,
        ];
        for refusal in refusals {
            let value = refusal.www_authenticate().unwrap();
            assert!(
                value.starts_with("Bearer realm=\"api\", error=\"invalid_token\", "),
                "{value}"
            );
            assert!(http::HeaderValue::from_str(value).is_ok(), "{value}");
            let description = value.split("error_description=\"").nth(1).unwrap();
            assert!(refusal.to_string().starts_with(description.trim_end_matches('"')), "{value}");
        }
    }

    #[test]
    fn an_outage_of_the_issuer_is_not_challenged() {
        let down = Unauthenticated::Unavailable(Arc::new(std::fmt::Error));
        assert_eq!(down.www_authenticate(), None);
        assert!(std::error::Error::source(&down).is_some());
    }
}
