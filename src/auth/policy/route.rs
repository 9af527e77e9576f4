use std::{cmp::Ordering, collections::BTreeSet};

use http::Method;

use crate::auth::policy::fault::AccessPolicyFault;
use crate::auth::policy::permission::Permission;

/// What the policy says about a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule<'a> {
    /// Anyone may call it, also without a token.
    Public,
    /// The caller needs this permission.
    Needs(&'a Permission),
    /// It is not listed: nobody may call it.
    Unlisted,
}

/// The listed routes, sorted by path and method: a look-up is a binary search and allocates nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Routes(Vec<Route>);

#[derive(Clone, Debug)]
struct Route {
    method: Method,
    path: String,
    /// `None` for a public route.
    permission: Option<Permission>,
}

impl Routes {
    /// What is listed for exactly this method.
    pub(super) fn rule(&self, method: &Method, path: &str) -> Rule<'_> {
        match self.find(method, path).ok().and_then(|index| self.0.get(index)) {
            Some(Route { permission: Some(permission), .. }) => Rule::Needs(permission),
            Some(Route { permission: None, .. }) => Rule::Public,
            None => Rule::Unlisted,
        }
    }

    /// The listed path that matches the path of a request. If several match, this is the one that the router
    /// would take: segments are compared from the left, and a literal comes before a parameter, a parameter
    /// before a wildcard.
    pub(super) fn matching(&self, path: &str) -> Option<&str> {
        let matching = self.0.iter().find(|route| matches(&route.path, path));
        matching.map(|route| &*route.path)
    }

    pub(super) fn insert(
        &mut self,
        method: Method,
        path: &str,
        permission: Option<Permission>,
    ) -> Result<(), AccessPolicyFault> {
        let path = path.to_owned();
        if !is_route(&path) {
            return Err(AccessPolicyFault::Path { method, path });
        }
        match self.find(&method, &path) {
            Ok(_) => Err(AccessPolicyFault::Duplicate { method, path }),
            Err(index) => {
                self.0.insert(index, Route { method, path, permission });
                Ok(())
            }
        }
    }

    fn find(&self, method: &Method, path: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|route| {
            compare(&route.path, path).then_with(|| route.method.as_str().cmp(method.as_str()))
        })
    }
}

/// Compares paths segment by segment. The names of parameters do not matter.
fn compare(one: &str, other: &str) -> Ordering {
    one.split('/').map(shape).cmp(other.split('/').map(shape))
}

/// A literal segment, a parameter `{name}`, or a wildcard `{*name}`.
fn shape(segment: &str) -> (u8, &str) {
    match segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) {
        // The router reads `{{` as an escaped brace.
        Some(name) if name.starts_with('{') => (0, segment),
        Some(name) if name.starts_with('*') => (2, ""),
        Some(_) => (1, ""),
        None => (0, segment),
    }
}

/// Whether a route matches the path of a request.
fn matches(route: &str, path: &str) -> bool {
    let (mut route, mut path) = (route.split('/'), path.split('/'));
    while let Some(segment) = route.next() {
        let is_match = match (shape(segment).0, path.next()) {
            (2, Some(first)) => {
                let is_last = route.next().is_none();
                return is_last && (!first.is_empty() || path.next().is_some());
            }
            (1, Some(given)) => !given.is_empty(),
            (_, given) => given == Some(segment),
        };
        if !is_match {
            return false;
        }
    }
    path.next().is_none()
}

fn is_route(path: &str) -> bool {
    let mut names = BTreeSet::new();
    path.starts_with('/')
        && path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte))
        // The router refuses a path that has two parameters with the same name.
        && path.split('/').filter(|segment| shape(segment).0 > 0).all(|segment| names.insert(segment))
}
