use std::{error::Error, sync::Arc};

/// Why nobody is known to be calling.
///
/// Everything but [`Unavailable`](Self::Unavailable) is the caller's to mend and answered 401 with
/// [`www_authenticate`](Self::www_authenticate); that one is ours, and answered 503.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Unauthenticated {
    /// No bearer token was sent.
    #[error("no bearer token was sent")]
    Missing,
    /// What was sent is not one access token as RFC 7519, 8725 and 9068 have it.
    #[error("the access token is malformed: {0}")]
    Malformed(&'static str),
    /// The token is signed with an algorithm that is not allowed.
    #[error("the algorithm of the access token is not allowed")]
    Algorithm,
    /// No trusted key is the one that the token names.
    #[error("no trusted key fits the access token")]
    Key,
    /// The signature is not that of the key.
    #[error("the signature of the access token is wrong")]
    Signature,
    /// The token was valid once.
    #[error("the access token has expired")]
    Expired,
    /// The token will be valid, or says that it was issued in the future.
    #[error("the access token is not valid yet")]
    NotYetValid,
    /// The token comes from someone who is not trusted.
    #[error("the issuer of the access token is not trusted")]
    Issuer,
    /// The token is meant for someone else.
    #[error("the access token is meant for another audience")]
    Audience,
    /// The issuer's userinfo endpoint refuses the token, or says that it is someone else's.
    #[error("the issuer does not confirm the access token")]
    Unconfirmed,
    /// What is needed to judge the token cannot be had now.
    #[error("the access token cannot be judged now")]
    Unavailable(#[source] Arc<dyn Error + Send + Sync>),
}

impl Unauthenticated {
    /// The caller may be right, but `cause` keeps us from finding out.
    pub fn unavailable(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::Unavailable(Arc::new(cause))
    }

    /// The value of the `WWW-Authenticate` header as RFC 6750, section 3, has it: without an error
    /// where no credentials were sent, `invalid_token` for all that were refused. `None` where the
    /// answer is not a 401.
    #[must_use]
    pub fn www_authenticate(&self) -> Option<&'static str> {
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

/// What is wrong with the configuration of a [`Authenticator`](super::Authenticator).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticatorFault {
    /// An address is not one that keys or claims may be fetched from.
    #[error("expected an https URL without credentials as the {what}, got {got:?}")]
    Url {
        /// `key set` or `userinfo endpoint`.
        what: &'static str,
        /// The address, without its user, password and query.
        got: String,
    },
    /// A key set without the issuer whose tokens it verifies.
    #[error("the key set {url:?} needs an issuer")]
    Issuer {
        /// The key set.
        url: String,
    },
    /// A key set without the audience for which its tokens must be meant.
    #[error("the key set {url:?} needs an audience")]
    Audience {
        /// The key set.
        url: String,
    },
    /// No algorithm is allowed, so that no token can be verified.
    #[error("no algorithm is allowed")]
    Algorithms,
    /// Two key sets for one issuer.
    #[error("the issuer {issuer:?} has two key sets")]
    Duplicate {
        /// The issuer.
        issuer: String,
    },
    /// Something was said of a key set, and there is none.
    #[error("{what} needs a key set before it")]
    NoKeySet {
        /// The option.
        what: &'static str,
    },
    /// TLS cannot be set up.
    #[error("the HTTP client cannot be built")]
    Client,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_credentials_is_told_no_error() {
        assert_eq!(Unauthenticated::Missing.www_authenticate(), Some("Bearer realm=\"api\""));
    }

    #[test]
    fn every_refusal_is_told_as_the_rfc_has_it() {
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
    fn what_is_not_the_callers_to_mend_is_no_challenge() {
        let down = Unauthenticated::unavailable(std::fmt::Error);
        assert_eq!(down.www_authenticate(), None);
        assert!(std::error::Error::source(&down).is_some());
    }
}
