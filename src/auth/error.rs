use crate::auth::authenticator::fault::AuthenticatorFault;
use crate::auth::policy::fault::AccessPolicyFault;

/// What is wrong with an [`Authenticator`](super::Authenticator) or an
/// [`AccessPolicy`](super::AccessPolicy). Its message says what was expected and what came.
///
/// Neither reports it when it is built: the pipeline reports the faults of both, with its own, when
/// it is built. Until then a faulty key set verifies no token, and a faulty entry allows nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct AuthConfigError(Fault);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Authenticator(AuthenticatorFault),
    #[error(transparent)]
    AccessPolicy(AccessPolicyFault),
}

impl From<AuthenticatorFault> for AuthConfigError {
    fn from(fault: AuthenticatorFault) -> Self {
        Self(Fault::Authenticator(fault))
    }
}

impl From<AccessPolicyFault> for AuthConfigError {
    fn from(fault: AccessPolicyFault) -> Self {
        Self(Fault::AccessPolicy(fault))
    }
}
