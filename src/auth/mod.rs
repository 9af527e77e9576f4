//! Identifies callers, and decides what they may do.
//!
//! An [`Authenticator`] identifies the caller, from a bearer token or another source. An [`AccessPolicy`]
//! says which permission each route needs. Give both to the pipeline with
//! [`authenticator`](crate::pipeline::PipelineBuilder::authenticator) and
//! [`policy`](crate::pipeline::PipelineBuilder::policy).
//!
//! Their methods do not fail. Building the pipeline reports the faults of both, together with its own. Used
//! without a pipeline, a faulty key set verifies no token, and a faulty entry of a policy allows nothing.
//!
//! In the terms of XACML and of pyfuncify, the authenticator is a policy information point (PIP), and the
//! pipeline is the policy enforcement point that asks the access policy.

pub(crate) mod authenticator;
pub(crate) mod policy;

pub use authenticator::{Algorithm, Authenticator, Caller, KeySet, Unauthenticated};
pub use policy::AccessPolicy;
