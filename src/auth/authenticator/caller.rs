use std::{fmt, sync::Arc};

use serde_json::{Map, Value};

use crate::auth::authenticator::error::Unauthenticated;
use crate::auth::authenticator::userinfo::Request;
use crate::auth::policy::{Permission, PermissionPattern};

/// Who is calling, and what they may do.
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
    /// Who it is: the `sub` of the token.
    pub subject: String,
    /// Who vouches for it: the `iss` of the token.
    pub issuer: Option<String>,
    /// Everything that the issuer claims about the caller.
    pub claims: Map<String, Value>,
    /// What it may do: permissions of the form `service:resource:action`. `*` matches one whole segment,
    /// `**` at the end for all that remain: `orders:*:read`, `orders:**`.
    ///
    /// Text of another form grants nothing, so that a `scope` may contain `openid` or `email`.
    pub permissions: Vec<String>,
    pub(super) userinfo: Option<Request>,
}

impl Caller {
    /// A caller of whom only the name is known, and who may do nothing.
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

    /// Whether the caller has this permission, `service:resource:action` without wildcards. Nobody has a
    /// permission of another form.
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

    /// Asks the issuer's userinfo endpoint about the caller; `None` if the key set names none.
    ///
    /// The first call sends a request. Its answer is kept for a minute, but not longer than the token
    /// is valid.
    ///
    /// # Errors
    ///
    /// [`Unauthenticated::Unconfirmed`] if the issuer refuses the token or describes someone else;
    /// [`Unauthenticated::Unavailable`] if it cannot be asked now.
    pub async fn userinfo(&self) -> Result<Option<Arc<Map<String, Value>>>, Unauthenticated> {
        match &self.userinfo {
            Some(request) => request.claims_of(&self.subject).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Without the token, the claims, and text that is not a permission. They may be personal data.
impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("subject", &self.subject)
            .field("issuer", &self.issuer)
            .field("permissions", &self.granted().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
