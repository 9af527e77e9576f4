use std::{fmt, sync::Arc};

use serde_json::{Map, Value};

use crate::auth::authenticator::Unauthenticated;
use crate::auth::authenticator::userinfo::Question;
use crate::auth::policy::{Permission, PermissionPattern};

/// Who is calling, and what they were granted. Cheap to clone.
///
/// # Examples
///
/// ```
/// use funcify::pipeline::{authenticator::Caller, policy::Permission};
///
/// let caller = Caller::new("warehouse").with_permissions(["orders:order:*"]);
/// assert!(caller.allows(&Permission::new("orders:order:read")?));
/// assert!(!caller.allows(&Permission::new("orders:line:read")?));
/// # Ok::<(), funcify::auth::PermissionError>(())
/// ```
#[derive(Clone)]
pub struct Caller(Arc<Known>);

#[derive(Clone)]
struct Known {
    subject: String,
    issuer: Option<String>,
    claims: Map<String, Value>,
    granted: Vec<PermissionPattern>,
    question: Option<Question>,
}

impl Caller {
    /// A caller of whom nothing is known but the name.
    #[must_use]
    pub fn new(subject: impl Into<String>) -> Self {
        Self(Arc::new(Known {
            subject: subject.into(),
            issuer: None,
            claims: Map::new(),
            granted: Vec::new(),
            question: None,
        }))
    }

    /// Says who vouches for the caller.
    #[must_use]
    pub fn with_issuer(mut self, issuer: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.0).issuer = Some(issuer.into());
        self
    }

    /// Says what is claimed of the caller.
    #[must_use]
    pub fn with_claims(mut self, claims: Map<String, Value>) -> Self {
        Arc::make_mut(&mut self.0).claims = claims;
        self
    }

    /// Adds what the caller was granted. What is no [`PermissionPattern`] grants nothing: the scopes of
    /// a token (`openid`, `email`) may stand among them.
    #[must_use]
    pub fn with_permissions(mut self, granted: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let patterns = granted.into_iter().filter_map(|text| PermissionPattern::new(text).ok());
        Arc::make_mut(&mut self.0).granted.extend(patterns);
        self
    }

    pub(crate) fn with_question(mut self, question: Option<Question>) -> Self {
        Arc::make_mut(&mut self.0).question = question;
        self
    }

    /// Who it is: the token's `sub`.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Who vouches for that: the token's `iss`.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.0.issuer.as_deref()
    }

    /// Everything that is claimed of the caller.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.0.claims
    }

    /// One claim.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.0.claims.get(name)
    }

    /// What the caller was granted.
    #[must_use]
    pub fn permissions(&self) -> &[PermissionPattern] {
        &self.0.granted
    }

    /// Whether the caller may do `permission`.
    #[must_use]
    pub fn allows(&self, permission: &Permission) -> bool {
        self.0.granted.iter().any(|granted| granted.grants(permission))
    }

    /// What the issuer's userinfo endpoint says of the caller; `None` where none was named.
    ///
    /// Asked for now and not before, then kept for a minute at most and never longer than the token
    /// is valid.
    ///
    /// # Errors
    ///
    /// [`Unauthenticated::Unconfirmed`] if the issuer refuses the token or speaks of someone else;
    /// [`Unauthenticated::Unavailable`] if it cannot be asked.
    pub async fn userinfo(&self) -> Result<Option<Arc<Map<String, Value>>>, Unauthenticated> {
        match &self.0.question {
            Some(question) => question.ask(&self.0.subject).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Names, but neither the token nor what else is claimed of a person.
impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("subject", &self.0.subject)
            .field("issuer", &self.0.issuer)
            .field("permissions", &self.0.granted)
            .finish_non_exhaustive()
    }
}
