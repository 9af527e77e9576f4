//! What callers may do: the permission that each route needs, and the sources that routes take records from.

pub(crate) mod fault;
mod permission;
mod route;
mod source;

use http::Method;

use fault::AccessPolicyFault;
pub(crate) use permission::{Permission, PermissionPattern};
use route::Routes;
pub(crate) use route::Rule;
use source::SourcePattern;

/// Says which permission each HTTP route needs, and from which sources the other routes take records.
///
/// A request to a route that is not listed is refused with 403, so an empty policy allows no HTTP request.
/// Write the path as you give it to the router, with parameters in braces. The names of parameters do not
/// matter. `HEAD` needs the permission of `GET` unless it has an entry of its own.
///
/// The methods do not fail. Building the pipeline reports every malformed entry, and each route that is
/// listed twice.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use funcify::{AccessPolicy, Authenticator, Pipeline, auth::Caller, testing::TestEvent};
/// use http::Method;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let policy = AccessPolicy::new()
///     .allow(Method::GET, "/orders/{id}", "orders:order:read")
///     .public(Method::GET, "/health");
/// let router = Router::new()
///     .route("/health", get(async || "ok"))
///     .route("/orders/{id}", get(async || "a kettle"))
///     .route("/invoices", get(async || "all of them"));
/// let authenticator = Authenticator::from_fn(async |_, _| {
///     let mut caller = Caller::new("warehouse");
///     caller.permissions = vec!["orders:order:*".to_owned()];
///     Ok(caller)
/// });
/// let pipeline = Pipeline::builder(())
///     .http(router)
///     .authenticator(authenticator)
///     .policy(policy)
///     .build()?;
///
/// // The last of these routes is not listed.
/// for (path, status) in [("/health", 200), ("/orders/7", 200), ("/invoices", 403)] {
///     let output = TestEvent::get(path).send(&pipeline).await?;
///     assert_eq!(output.http().unwrap().status(), status);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct AccessPolicy {
    routes: Routes,
    sources: Vec<(Box<str>, SourcePattern)>,
    faults: Vec<AccessPolicyFault>,
}

impl AccessPolicy {
    /// An empty policy, which allows no HTTP request.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets callers with this permission call the route. A permission is three names with colons between
    /// them, `service:resource:action`. Each name has 1 to 64 of the characters `A-Z a-z 0-9 _ . -`.
    #[must_use]
    pub fn allow(mut self, method: Method, path: &str, permission: &str) -> Self {
        match Permission::new(permission) {
            Ok(permission) => self.list(method, path, Some(permission)),
            Err(source) => self.faults.push(AccessPolicyFault::Permission {
                method,
                path: path.to_owned(),
                source,
            }),
        }
        self
    }

    /// Lets anyone call the route, also without a token.
    #[must_use]
    pub fn public(mut self, method: Method, path: &str) -> Self {
        self.list(method, path, None);
        self
    }

    /// Lets the route of a queue, bucket, topic or stream take records only from sources whose ARN matches
    /// the pattern. Call it again to add a source.
    ///
    /// Each of the six parts of the ARN is compared by itself. `*` matches any characters within one part. A
    /// route without an entry takes records from every source that its name matches and that AWS lets invoke
    /// the function. Routes of EventBridge cannot be restricted, because the sender of an event writes its
    /// ARNs.
    ///
    /// A route with [`via`](crate::pipeline::via) opens envelopes. It takes the records in them from every
    /// bucket and topic, unless one of its patterns is for the service of the record. Then the record must
    /// match a pattern too: list the ARN of the bucket beside the ARN of the queue. Anyone who may write to
    /// the queue or topic can write these inner ARNs. Events of EventBridge in an envelope match no pattern.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::AccessPolicy;
    /// use funcify::pipeline::{Pipeline, Problem, S3Object, via};
    /// use funcify::testing::TestEvent;
    ///
    /// async fn on_upload(_: S3Object) -> Result<(), Problem> {
    ///     Ok(())
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let policy = AccessPolicy::new()
    ///     .allow_source("uploads-queue", "arn:aws:sqs:*:123456789012:uploads-queue")
    ///     .allow_source("uploads-queue", "arn:aws:s3:::uploads");
    /// let pipeline = Pipeline::builder(())
    ///     .sqs("uploads-queue", via::<S3Object, _>(on_upload))
    ///     .policy(policy)
    ///     .build()?;
    /// let batch = TestEvent::sqs("uploads-queue")
    ///     .record("1", TestEvent::s3("uploads", "a.txt").to_string())
    ///     .record("2", TestEvent::s3("uploads-of-others", "a.txt").to_string());
    /// assert_eq!(batch.send(&pipeline).await?.failures(), ["2"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
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

    /// What the policy says about `method` on the route that the router matched.
    pub(crate) fn rule(&self, method: &Method, matched_path: &str) -> Rule<'_> {
        match self.routes.rule(method, matched_path) {
            Rule::Unlisted if *method == Method::HEAD => {
                self.routes.rule(&Method::GET, matched_path)
            }
            rule => rule,
        }
    }

    /// The listed path that matches the path of a request, by the rules of the router.
    pub(crate) fn listed_path(&self, path: &str) -> Option<&str> {
        self.routes.matching(path)
    }

    /// Whether the route may take a record from `arn`.
    pub(crate) fn source_allowed(&self, route: &str, arn: &str) -> bool {
        let mut named = self.sources.iter().filter(|(name, _)| **name == *route).peekable();
        named.peek().is_none() || named.any(|(_, pattern)| pattern.matches(arn))
    }

    /// Whether the route may take a record of this service from an envelope. `arn` is in the record.
    pub(crate) fn inner_source_allowed(&self, route: &str, service: &str, arn: &str) -> bool {
        let is_for = |(name, pattern): &&(Box<str>, SourcePattern)| {
            **name == *route && pattern.is_for(service)
        };
        let mut patterns = self.sources.iter().filter(is_for).peekable();
        patterns.peek().is_none() || patterns.any(|(_, pattern)| pattern.matches(arn))
    }

    /// The routes whose sources the policy restricts.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(|(name, _)| &**name)
    }

    /// Everything that is wrong with the entries. A faulty entry allows nothing.
    pub(crate) fn faults(&self) -> &[AccessPolicyFault] {
        &self.faults
    }

    fn list(&mut self, method: Method, path: &str, permission: Option<Permission>) {
        if let Err(fault) = self.routes.insert(method, path, permission) {
            self.faults.push(fault);
        }
    }
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
    fn the_most_exact_listed_path_matches_a_request() {
        let policy = AccessPolicy::new()
            .public(Method::GET, "/files/{*path}")
            .public(Method::GET, "/files/{name}/meta")
            .public(Method::POST, "/files/{name}")
            .allow(Method::GET, "/files/secret", "files:secret:read")
            .public(Method::GET, "/{tenant}/about");
        assert_eq!(policy.faults(), []);
        for (path, listed) in [
            ("/files/a/b", Some("/files/{*path}")),
            ("/files/a/meta", Some("/files/{name}/meta")),
            ("/files/a", Some("/files/{name}")),
            ("/files/secret", Some("/files/secret")),
            ("/files/secret/", Some("/files/{*path}")),
            ("/files/secret/meta", Some("/files/{name}/meta")),
            ("/files/about", Some("/files/{name}")),
            ("/acme/about", Some("/{tenant}/about")),
            ("/files/", None),
            ("/files", None),
            ("//about", None),
            ("/acme", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(policy.listed_path(path), listed, "{path}");
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
    fn a_route_with_sources_accepts_no_others() {
        let policy =
            AccessPolicy::new().allow_source("orders", "arn:aws:sqs:*:123456789012:orders*");
        let arn = "arn:aws:sqs:eu-west-1:123456789012:orders";
        assert!(policy.source_allowed("orders", arn));
        assert!(!policy.source_allowed("orders", "arn:aws:sqs:eu-west-1:999999999999:orders"));
        assert!(!policy.source_allowed("orders", ""));
        assert!(policy.source_allowed("stock", arn), "a route without sources is not restricted");
    }

    #[test]
    fn a_pattern_for_a_service_restricts_the_records_of_that_service_in_envelopes() {
        let policy = AccessPolicy::new()
            .allow_source("orders", "arn:aws:sqs:*:123456789012:orders")
            .allow_source("orders", "arn:aws:s3:::uploads*");
        for (route, service, arn, expected) in [
            ("orders", "s3", "arn:aws:s3:::uploads-dev", true),
            ("orders", "s3", "arn:aws:s3:::evil", false),
            ("orders", "s3", "", false),
            ("orders", "sns", "arn:aws:sns:r:999999999999:topic", true),
            ("stock", "s3", "arn:aws:s3:::evil", true),
        ] {
            assert_eq!(policy.inner_source_allowed(route, service, arn), expected, "{route} {arn}");
        }
    }
}
