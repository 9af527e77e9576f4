//! Who is calling, and what they may do.
//!
//! An [`Authenticator`] finds out who is calling, from a bearer token or another source. An
//! [`AccessPolicy`] says which permission each route needs. Give both to the pipeline with
//! [`authenticator`](crate::pipeline::PipelineBuilder::authenticator) and
//! [`policy`](crate::pipeline::PipelineBuilder::policy).
//!
//! Neither reports what is wrong with it when you make it. The pipeline reports the faults of both, with
//! its own, when it is built. Until then a faulty key set verifies no token, and a faulty entry allows
//! nothing.
//!
//! In the terms of XACML, and of pyfuncify, the authenticator is a policy information point (PIP) and
//! the pipeline that asks the access policy a policy enforcement point.

pub(crate) mod authenticator;
pub(crate) mod policy;

pub use authenticator::{Algorithm, Authenticator, Caller, KeySet, Unauthenticated};
pub use policy::AccessPolicy;
