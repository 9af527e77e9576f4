//! Who is calling, and what they may do.

pub(crate) mod authenticator;
pub(crate) mod policy;

pub use authenticator::{
    Algorithm, Authenticator, AuthenticatorFault, Caller, Credentials, Unauthenticated,
    UnknownAlgorithm,
};
pub use policy::{
    AccessPolicy, AccessPolicyFault, Permission, PermissionError, PermissionPattern, Rule,
};
