//! Who is calling, and what they may do.
//!
//! An [`Authenticator`] finds out who is calling, from a bearer token or another source. An
//! [`AccessPolicy`] says which permission each route needs. Give both to the pipeline with
//! [`authenticator`](crate::pipeline::PipelineBuilder::authenticator) and
//! [`policy`](crate::pipeline::PipelineBuilder::policy).
//!
//! In the terms of XACML, and of pyfuncify, the authenticator is a policy information point (PIP) and
//! the pipeline that asks the access policy a policy enforcement point.

pub(crate) mod authenticator;
mod error;
pub(crate) mod policy;

pub use authenticator::{Algorithm, Authenticator, Caller, KeySet, Unauthenticated};
pub use error::AuthConfigError;
pub use policy::AccessPolicy;
