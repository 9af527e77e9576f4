//! Finds every fault of a pipeline before it runs. A rule that silently does nothing is a security hole.

use crate::auth::authenticator::Identify;
use crate::auth::policy::AccessPolicy;
use crate::pipeline::builder::error::Fault;
use crate::pipeline::records::record::Record;
use crate::pipeline::records::record_sources;
use crate::pipeline::records::routes::{RecordRoutes, Routes};
use crate::pipeline::records::s3::S3Object;

/// The faults in the names and options of `routes`.
pub(super) fn of_routes(routes: &RecordRoutes) -> Vec<Fault> {
    let mut faults = Vec::new();
    macro_rules! check_each {
        ($($field:ident: $record:ty,)*) => {
            $(check(&routes.$field, foreign::<$record>(routes), &mut faults);)*
        };
    }
    record_sources!(check_each);
    faults
}

/// The characters that no name of this source contains. Names of S3 routes may contain anything if the
/// function computes them itself.
fn foreign<S: Record>(routes: &RecordRoutes) -> &'static [char] {
    let has_own_key = S::ROUTE == S3Object::ROUTE && routes.s3_route_key.is_some();
    if has_own_key || S::COLON_IN_NAME { &[] } else { &[':'] }
}

fn check<S: Record>(routes: &Routes<S>, foreign: &[char], faults: &mut Vec<Fault>) {
    let source_name = S::ROUTE;
    for name in routes.repeated_names() {
        faults.push(Fault::RepeatedName { source_name, name: name.to_owned() });
    }
    for (name, options) in routes.names_and_options() {
        let literal = name.strip_suffix('*').unwrap_or(name);
        if name.is_empty() || literal.contains('*') || literal.contains(foreign) {
            faults.push(Fault::ImpossibleName { source_name, name: name.to_owned() });
        }
        if options.concurrency == 0 {
            faults.push(Fault::NoConcurrency { source_name, name: name.to_owned() });
        }
    }
}

/// The faults of the authenticator, if there is one.
pub(super) fn of_authenticator(authenticator: Option<&dyn Identify>) -> Vec<Fault> {
    let faults = authenticator.map(Identify::faults).unwrap_or_default();
    faults.into_iter().map(Fault::Authenticator).collect()
}

/// The faults of the policy, in itself and in combination with the rest of the pipeline.
pub(super) fn of_policy(
    policy: &AccessPolicy,
    routes: &RecordRoutes,
    lacks_authenticator: bool,
) -> Vec<Fault> {
    let own = policy.faults().iter().cloned().map(Fault::AccessPolicy);
    let authenticator = lacks_authenticator.then_some(Fault::NoAuthenticator);
    let unknown = policy.sources().filter(|name| !routes.can_be_restricted(name));
    let unknown = unknown.map(|name| Fault::NoRouteToRestrict { name: name.to_owned() });
    let events = policy.sources().filter(|name| routes.is_ambiguous(name));
    let events = events.map(|name| Fault::RestrictedEvents { name: name.to_owned() });
    own.chain(authenticator).chain(unknown).chain(events).collect()
}
