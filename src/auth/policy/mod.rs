//! Who may do what: a table of routes, the permissions they need and the sources they take from.

mod permission;
mod source;

use std::{cmp::Ordering, collections::BTreeSet};

use http::Method;

pub use permission::{Permission, PermissionError, PermissionPattern};
use source::SourcePattern;

/// The table of what each route needs. What is not in it is refused: an empty policy permits
/// nothing.
///
/// Routes are named as the router names them, parameters in braces; what a parameter is called does
/// not matter. `HEAD` needs what `GET` needs, unless it has an entry of its own.
///
/// # Examples
///
/// ```
/// use funcify::auth::{AccessPolicy, Rule};
/// use http::Method;
///
/// let policy = AccessPolicy::new()
///     .allow(Method::GET, "/orders/{id}", "orders:order:read")
///     .public(Method::GET, "/health")
///     .allow_source("orders", "arn:aws:sqs:*:123456789012:orders*");
/// assert!(policy.faults().is_empty());
///
/// assert!(matches!(policy.rule(&Method::GET, "/health"), Rule::Public));
/// assert!(matches!(policy.rule(&Method::GET, "/orders/{id}"), Rule::Needs(_)));
/// assert!(matches!(policy.rule(&Method::DELETE, "/orders/{id}"), Rule::Unlisted));
/// assert!(policy.source_allowed("orders", "arn:aws:sqs:eu-west-1:123456789012:orders-dev"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct AccessPolicy {
    /// Sorted by shape and method, so that a look-up is a binary search without allocation.
    routes: Vec<Route>,
    sources: Vec<(Box<str>, SourcePattern)>,
    faults: Vec<AccessPolicyFault>,
}

/// What the policy says of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule<'a> {
    /// Anyone may call it, with or without a token.
    Public,
    /// The caller must be known and allowed to do this.
    Needs(&'a Permission),
    /// It is not in the table: nobody may call it.
    Unlisted,
}

/// What is wrong with an entry of a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessPolicyFault {
    /// The permission is malformed.
    #[error("the policy of {method} {path}: {source}")]
    Permission {
        /// The route's method.
        method: Method,
        /// The route's path.
        path: String,
        /// What was expected and what came.
        source: PermissionError,
    },
    /// The path is not one that a router knows.
    #[error("expected a path that begins with / in the policy of {method}, got {path:?}")]
    Path {
        /// The route's method.
        method: Method,
        /// What came.
        path: String,
    },
    /// The route is in the table already.
    #[error("the policy lists {method} {path} twice")]
    Duplicate {
        /// The route's method.
        method: Method,
        /// The route's path.
        path: String,
    },
    /// The pattern is not an ARN's.
    #[error(
        "expected arn:partition:service:region:account:resource for the route {route:?}, got {pattern:?}"
    )]
    Source {
        /// The route's name.
        route: String,
        /// What came.
        pattern: String,
    },
}

impl AccessPolicy {
    /// An empty policy, which permits nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets callers with this permission call the route.
    #[must_use]
    pub fn allow(mut self, method: Method, path: &str, permission: &str) -> Self {
        match Permission::new(permission) {
            Ok(permission) => self.list(method, path, Some(permission)),
            Err(source) => {
                self.faults.push(AccessPolicyFault::Permission {
                    method,
                    path: path.to_owned(),
                    source,
                });
            }
        }
        self
    }

    /// Lets anyone call the route.
    #[must_use]
    pub fn public(mut self, method: Method, path: &str) -> Self {
        self.list(method, path, None);
        self
    }

    /// Lets the route (of a queue, a bucket, a topic, …) take events from no other sources than those
    /// that match; without an entry of its own a route takes them from wherever its name fits, as the
    /// rights of the function's role and of the source have it.
    ///
    /// Every part of the ARN is compared with its counterpart. `*` stands for any characters within
    /// one part. Routes of EventBridge cannot be restricted: who sends an event writes its ARNs.
    #[must_use]
    pub fn allow_source(mut self, route: &str, pattern: &str) -> Self {
        match SourcePattern::new(pattern) {
            Some(pattern) => self.sources.push((route.into(), pattern)),
            None => self.faults.push(AccessPolicyFault::Source {
                route: route.to_owned(),
                pattern: pattern.to_owned(),
            }),
        }
        self
    }

    /// What the policy says of `method` on the route that the router matched.
    #[must_use]
    pub fn rule(&self, method: &Method, matched_path: &str) -> Rule<'_> {
        let listed = self.find(method, matched_path).or_else(|missing| match *method {
            Method::HEAD => self.find(&Method::GET, matched_path),
            _ => Err(missing),
        });
        match listed.ok().and_then(|place| self.routes.get(place)) {
            Some(Route { permission: Some(permission), .. }) => Rule::Needs(permission),
            Some(Route { permission: None, .. }) => Rule::Public,
            None => Rule::Unlisted,
        }
    }

    /// Whether the route may take an event from `arn`.
    #[must_use]
    pub fn source_allowed(&self, route: &str, arn: &str) -> bool {
        let mut named = self.sources.iter().filter(|(name, _)| **name == *route).peekable();
        named.peek().is_none() || named.any(|(_, pattern)| pattern.matches(arn))
    }

    /// The routes that it restricts to sources.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(|(name, _)| &**name)
    }

    /// Everything that is wrong with the table, at once; an entry that is wrong permits nothing.
    #[must_use]
    pub fn faults(&self) -> Vec<AccessPolicyFault> {
        self.faults.clone()
    }

    fn list(&mut self, method: Method, path: &str, permission: Option<Permission>) {
        let path = path.to_owned();
        if !is_route(&path) {
            return self.faults.push(AccessPolicyFault::Path { method, path });
        }
        match self.find(&method, &path) {
            Ok(_) => self.faults.push(AccessPolicyFault::Duplicate { method, path }),
            Err(place) => self.routes.insert(place, Route { method, path, permission }),
        }
    }

    fn find(&self, method: &Method, path: &str) -> Result<usize, usize> {
        self.routes.binary_search_by(|route| {
            shape_order(&route.path, path).then_with(|| route.method.as_str().cmp(method.as_str()))
        })
    }
}

#[derive(Clone, Debug)]
struct Route {
    method: Method,
    path: String,
    permission: Option<Permission>,
}

/// Orders paths by their segments, whatever their parameters are called.
fn shape_order(one: &str, other: &str) -> Ordering {
    one.split('/').map(shape).cmp(other.split('/').map(shape))
}

fn shape(segment: &str) -> (u8, &str) {
    match segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) {
        Some(name) if name.starts_with('{') => (0, segment),
        Some(name) if name.starts_with('*') => (2, ""),
        Some(_) => (1, ""),
        None => (0, segment),
    }
}

fn is_route(path: &str) -> bool {
    let mut names = BTreeSet::new();
    path.starts_with('/')
        && path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte))
        // A parameter that stands twice is one that the router refuses.
        && path.split('/').filter(|segment| shape(segment).0 > 0).all(|segment| names.insert(segment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_policy_permits_no_request() {
        let policy = AccessPolicy::new();
        for path in ["", "/", "/orders", "/health", "{*rest}"] {
            assert_eq!(policy.rule(&Method::GET, path), Rule::Unlisted, "{path}");
        }
    }

    #[test]
    fn a_route_is_found_by_method_and_shape() {
        let policy = AccessPolicy::new()
            .allow(Method::GET, "/orders", "orders:order:list")
            .allow(Method::POST, "/orders", "orders:order:create")
            .allow(Method::GET, "/orders/{id}", "orders:order:read")
            .allow(Method::GET, "/orders/{id}/lines/{line}", "orders:line:read")
            .allow(Method::GET, "/files/{*path}", "orders:file:read")
            .public(Method::GET, "/orders/latest")
            .public(Method::POST, "/$connect");
        assert_eq!(policy.faults(), []);
        let needs = |method: Method, path: &str| match policy.rule(&method, path) {
            Rule::Needs(permission) => permission.to_string(),
            Rule::Public => "public".to_owned(),
            Rule::Unlisted => "unlisted".to_owned(),
        };
        let rows = [
            (Method::GET, "/orders", "orders:order:list"),
            (Method::HEAD, "/orders", "orders:order:list"),
            (Method::POST, "/orders", "orders:order:create"),
            (Method::GET, "/orders/{id}", "orders:order:read"),
            (Method::GET, "/orders/{order_id}", "orders:order:read"),
            (Method::GET, "/orders/{a}/lines/{b}", "orders:line:read"),
            (Method::GET, "/files/{*rest}", "orders:file:read"),
            (Method::GET, "/orders/latest", "public"),
            (Method::POST, "/$connect", "public"),
            (Method::PUT, "/orders", "unlisted"),
            (Method::OPTIONS, "/orders", "unlisted"),
            (Method::HEAD, "/$connect", "unlisted"),
            (Method::GET, "/orders/", "unlisted"),
            (Method::GET, "/order", "unlisted"),
            (Method::GET, "/orders/7", "unlisted"),
            (Method::GET, "/orders/{*id}", "unlisted"),
            (Method::GET, "/files/{path}", "unlisted"),
            (Method::GET, "/ORDERS", "unlisted"),
            (Method::GET, "orders", "unlisted"),
        ];
        for (method, path, expected) in rows {
            assert_eq!(needs(method.clone(), path), expected, "{method} {path}");
        }
    }

    #[test]
    fn head_may_have_an_entry_of_its_own() {
        let policy = AccessPolicy::new()
            .allow(Method::GET, "/orders", "orders:order:list")
            .public(Method::HEAD, "/orders");
        assert_eq!(policy.rule(&Method::HEAD, "/orders"), Rule::Public);
    }

    #[test]
    fn every_fault_is_reported_at_once_and_permits_nothing() {
        let policy = AccessPolicy::new()
            .allow(Method::GET, "/a", "orders:order")
            .allow(Method::GET, "/b", "orders:*:read")
            .public(Method::GET, "c")
            .public(Method::GET, "/d?x=1")
            .public(Method::GET, "/e/{id}")
            .allow(Method::GET, "/e/{other}", "orders:order:read")
            .allow_source("orders", "orders-queue")
            .public(Method::GET, "/f/{x}/{x}");
        let faults: Vec<String> = policy.faults().iter().map(ToString::to_string).collect();
        assert_eq!(
            faults,
            [
                "the policy of GET /a: expected service:resource:action, got \"orders:order\"",
                "the policy of GET /b: expected service:resource:action, got \"orders:*:read\"",
                "expected a path that begins with / in the policy of GET, got \"c\"",
                "expected a path that begins with / in the policy of GET, got \"/d?x=1\"",
                "the policy lists GET /e/{other} twice",
                "expected arn:partition:service:region:account:resource for the route \"orders\", got \"orders-queue\"",
                "expected a path that begins with / in the policy of GET, got \"/f/{x}/{x}\"",
            ]
        );
        assert_eq!(policy.rule(&Method::GET, "/a"), Rule::Unlisted);
        assert_eq!(policy.rule(&Method::GET, "c"), Rule::Unlisted);
    }

    #[test]
    fn a_route_with_sources_takes_from_no_others() {
        let policy =
            AccessPolicy::new().allow_source("orders", "arn:aws:sqs:*:123456789012:orders*");
        let arn = "arn:aws:sqs:eu-west-1:123456789012:orders";
        assert!(policy.source_allowed("orders", arn));
        assert!(!policy.source_allowed("orders", "arn:aws:sqs:eu-west-1:999999999999:orders"));
        assert!(!policy.source_allowed("orders", ""));
        assert!(policy.source_allowed("stock", arn), "a route without sources is not restricted");
    }
}
