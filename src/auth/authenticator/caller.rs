use std::{fmt, sync::Arc};

use serde_json::{Map, Value};

use crate::auth::authenticator::error::Unauthenticated;
use crate::auth::authenticator::userinfo::Request;
use crate::auth::policy::{Permission, PermissionPattern};

/// The caller of a request: who it is, and what it may do.
///
/// # Examples
///
/// ```
/// use funcify::auth::Caller;
///
/// let mut caller = Caller::new("warehouse");
/// caller.permissions = vec!["orders:order:*".to_owned()];
/// assert!(caller.allows("orders:order:read"));
/// assert!(!caller.allows("orders:line:read"));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Caller {
    /// The name of the caller: the `sub` of the token, or the `principalId` or `userArn` that an authorizer
    /// names.
    pub subject: String,
    /// Who vouches for the caller: the `iss` of the token. `None` if the source names no issuer.
    pub issuer: Option<String>,
    /// All claims of the token, or everything that the authorizer says about the caller.
    pub claims: Map<String, Value>,
    /// What the caller may do: permissions of the form `service:resource:action`. `*` matches one whole
    /// segment, and `**` at the end matches all segments that remain: `orders:*:read`, `orders:**`.
    ///
    /// Text of another form grants nothing. So a `scope` may also contain `openid` or `email`.
    pub permissions: Vec<String>,
    pub(super) userinfo: Option<Request>,
}

impl Caller {
    /// A caller with this name, without permissions, claims or an issuer.
    #[must_use]
    pub fn new(subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            issuer: None,
            claims: Map::new(),
            permissions: Vec::new(),
            userinfo: None,
        }
    }

    /// Whether the caller has this permission: `service:resource:action`, without wildcards. `false` for text
    /// of another form.
    #[must_use]
    pub fn allows(&self, permission: &str) -> bool {
        Permission::new(permission).is_ok_and(|permission| self.has(&permission))
    }

    pub(crate) fn has(&self, permission: &Permission) -> bool {
        self.granted().any(|granted| granted.grants(permission))
    }

    fn granted(&self) -> impl Iterator<Item = PermissionPattern<'_>> {
        self.permissions.iter().filter_map(|text| PermissionPattern::new(text))
    }

    /// Asks the issuer's userinfo endpoint about the caller (OpenID Connect Core, section 5.3). `None` if no
    /// key set verified the caller, or that key set has no [`userinfo`](crate::auth::KeySet::userinfo)
    /// endpoint.
    ///
    /// The first call sends a request, which takes 3 s at most. The answer is kept for 60 s, but not longer
    /// than the token is valid.
    ///
    /// # Errors
    ///
    /// [`Unauthenticated::Unconfirmed`] if the issuer refuses the token or describes another subject.
    /// [`Unauthenticated::Unavailable`] if the endpoint does not answer, or its answer cannot be used.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::{Invocation, Problem};
    ///
    /// async fn email(invocation: Invocation) -> Result<String, Problem> {
    ///     let userinfo = invocation.caller().await?.userinfo().await?;
    ///     let email = userinfo.as_ref().and_then(|claims| claims.get("email")?.as_str());
    ///     Ok(email.unwrap_or("unknown").to_owned())
    /// }
    /// ```
    pub async fn userinfo(&self) -> Result<Option<Arc<Map<String, Value>>>, Unauthenticated> {
        match &self.userinfo {
            Some(request) => request.claims_of(&self.subject).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Shows no token, no claims, and no text that is not a permission: they may be personal data.
impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("subject", &self.subject)
            .field("issuer", &self.issuer)
            .field("permissions", &self.granted().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
