mod error;
mod faults;
mod services;
mod sources;

use std::{convert::Infallible, fmt, future::Future, sync::Arc, time::Duration};

use axum::{Router, extract::Request, response::IntoResponse, routing::Route};
use funcify_core::Deadline;
use futures_util::future::BoxFuture;
use tower::{Layer, Service};

use crate::auth::authenticator::{Authenticator, Identify};
use crate::auth::policy::AccessPolicy;
use crate::config_error::ConfigError;
use crate::metrics;
use crate::pipeline::Invocation;
use crate::pipeline::builder::error::Fault;
use crate::pipeline::guards::{Guard, Guards};
use crate::pipeline::http::admission::admitted;
use crate::pipeline::http::dispatch::{Http, Inside};
use crate::pipeline::records::routes::RecordRoutes;
use crate::pipeline::rules::Rules;
use crate::pipeline::service::Pipeline;
use crate::problem::Problem;
use crate::stores::Stores;

/// Describes a function: its routes, and the checks that an event passes before a handler gets it.
///
/// [`Pipeline::builder`] makes one. The order of the calls matters in three cases only: [guards](Self::guard)
/// run in the order in which you add them, [`event`](Self::event) and [`firehose`](Self::firehose) routes are
/// tried in this order, and a later [layer](Self::layer) is outside of an earlier one. The methods do not
/// fail: [`build`](Self::build) reports every fault.
///
/// # Examples
///
/// ```
/// use axum::{Router, extract::State, routing::get};
/// use funcify::pipeline::{Pipeline, Problem, S3Object, SqsRecord, route, via};
///
/// async fn on_upload(object: S3Object) -> Result<(), Problem> {
///     println!("{}", object.key);
///     Ok(())
/// }
///
/// async fn on_order(State(shop): State<&'static str>, order: SqsRecord) -> Result<(), Problem> {
///     println!("{shop}: {}", order.body);
///     Ok(())
/// }
///
/// let router = Router::new().route("/health", get(async || "healthy"));
/// let pipeline = Pipeline::builder("shop")
///     .http(router)
///     .s3("uploads", on_upload)
///     .sqs("orders", route(on_order).concurrency(4))
///     .sqs("uploads-*", via::<S3Object, _>(on_upload))
///     .build();
/// assert!(pipeline.is_ok());
/// ```
#[must_use]
pub struct PipelineBuilder<App> {
    app: App,
    stores: Option<Stores>,
    router: Option<Router<App>>,
    /// The innermost layer is the first.
    layers: Vec<AddLayer>,
    routes: RecordRoutes,
    guards: Vec<Guard>,
    authenticator: Option<Box<dyn Identify>>,
    policy: Option<AccessPolicy>,
    margin: Duration,
    base_path: Box<str>,
    faults: Vec<Fault>,
}

/// Puts a layer around the router.
type AddLayer = Box<dyn FnOnce(Router) -> Router + Send + Sync>;

impl Pipeline {
    /// Starts the description of a pipeline. All handlers share `app`. It is also the state of the axum
    /// router, which handlers read with `State`.
    pub fn builder<App: Clone + Send + Sync + 'static>(app: App) -> PipelineBuilder<App> {
        PipelineBuilder {
            app,
            stores: None,
            router: None,
            layers: Vec::new(),
            routes: RecordRoutes::default(),
            guards: Vec::new(),
            authenticator: None,
            policy: None,
            margin: Deadline::WORK_MARGIN,
            base_path: Box::default(),
            faults: Vec::new(),
        }
    }
}

impl<App: Clone + Send + Sync + 'static> PipelineBuilder<App> {
    /// Sets the stores of the function.
    ///
    /// The authenticator keeps the circuits of its calls to issuers there, so that the fleet shares them.
    /// Without stores, these calls have no circuit.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::{Pipeline, Stores};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let stores = Stores::from_url("memory:").await?; // in production: Stores::from_env()
    /// assert!(Pipeline::builder(()).stores(stores).build().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn stores(mut self, stores: Stores) -> Self {
        self.reject_second("stores", self.stores.is_some());
        self.stores = Some(stores);
        self
    }

    /// Writes metrics to the log, one line for each invocation, in CloudWatch's embedded metric format.
    /// `setting` is `emf:` and a namespace of 1 to 255 characters. The variable `FUNCIFY_METRICS` does the
    /// same without code, and wins if both are set. See `docs/operations.md` in the repository for the
    /// metrics and their labels.
    ///
    /// What was counted before this call is not written. If the process already has a recorder of the crate
    /// `metrics`, building the pipeline fails. That recorder gets the metrics without this call.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::Pipeline;
    ///
    /// let pipeline = Pipeline::builder(()).metrics("emf:orders").build();
    /// assert!(pipeline.is_ok());
    /// assert!(Pipeline::builder(()).metrics("cloudwatch").build().is_err());
    /// ```
    pub fn metrics(mut self, setting: &str) -> Self {
        if let Err(error) = metrics::install_from_env().and_then(|()| metrics::install(setting)) {
            self.faults.push(Fault::Metrics(error.to_string()));
        }
        self
    }

    /// Routes HTTP events with an axum router. The sources are API Gateway, function URLs, Application Load
    /// Balancers and VPC Lattice.
    ///
    /// A WebSocket event becomes a POST to its route key: `/$connect`, `/$disconnect`, `/$default`, `/send`.
    ///
    /// # Examples
    ///
    /// ```
    /// use axum::{Router, extract::Path, routing::get};
    /// use funcify::{Pipeline, testing::TestEvent};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let router = Router::new().route("/orders/{id}", get(async |Path(id): Path<String>| id));
    /// let pipeline = Pipeline::builder(()).http(router).build()?;
    /// let output = TestEvent::get("/orders/7").send(&pipeline).await?;
    /// assert_eq!(output.http().unwrap().body(), "7");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn http(mut self, router: Router<App>) -> Self {
        self.reject_second("http", self.router.is_some());
        self.router = Some(router);
        self
    }

    /// Puts a layer around everything that answers an HTTP event: the guards, the router, the policy and the
    /// handlers. A later layer is outside of an earlier one.
    ///
    /// The layer sees every request before it is routed. If it changes the path, the policy judges the route
    /// of the new path. The layer sees every response, also the ones that funcify makes: a 401 or 403 of the
    /// policy, a 404, the refusal of a guard, a 400 for a malformed request, a 500 after a panic or for a
    /// response that is too large, a 503 at the deadline. If no valid request can be made from the event, the
    /// layer gets its method and headers with the path `/`.
    ///
    /// A layer that you put on the router itself with [`Router::layer`] is behind the policy, and knows the
    /// matched route. A layer that has to answer requests without a caller belongs here. An example is the
    /// `CorsLayer` of tower-http, because a browser sends a CORS preflight without a token.
    ///
    /// # Examples
    ///
    /// ```
    /// use axum::{Router, extract::Request, middleware::{Next, from_fn}, routing::get};
    /// use funcify::{AccessPolicy, Authenticator, Pipeline, auth::Unauthenticated, testing::TestEvent};
    /// use http::{HeaderValue, Method};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let allow_origin = from_fn(async |request: Request, next: Next| {
    ///     let mut response = next.run(request).await;
    ///     let origin = HeaderValue::from_static("https://shop.example.com");
    ///     response.headers_mut().insert("access-control-allow-origin", origin);
    ///     response
    /// });
    /// let pipeline = Pipeline::builder(())
    ///     .http(Router::new().route("/orders", get(async || "all of them")))
    ///     .layer(allow_origin)
    ///     .authenticator(Authenticator::from_fn(async |_, _| Err(Unauthenticated::Missing)))
    ///     .policy(AccessPolicy::new().allow(Method::GET, "/orders", "orders:order:list"))
    ///     .build()?;
    /// let output = TestEvent::get("/orders").send(&pipeline).await?;
    /// let response = output.http().unwrap();
    /// assert_eq!(response.status(), 401);
    /// assert_eq!(response.headers()["access-control-allow-origin"], "https://shop.example.com");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        self.layers.push(Box::new(|router| router.layer(layer)));
        self
    }

    /// Adds a guard: a function that runs for every event, before a route is chosen. It returns the
    /// invocation, or an error that refuses the event. Only a [layer](Self::layer) sees an HTTP event before
    /// the guards.
    ///
    /// A guard can also read what your handlers need, and [attach](Invocation::attach) it to the invocation.
    /// Guards run in the order in which you add them, up to the first error.
    ///
    /// An error with a 5xx status counts as a failure of the function, and not as a refusal.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::{Invocation, Pipeline, Problem};
    /// use http::StatusCode;
    ///
    /// async fn not_blocked(invocation: Invocation) -> Result<Invocation, Problem> {
    ///     let request = invocation.event().http();
    ///     match request.is_some_and(|request| request.headers().contains_key("x-block")) {
    ///         true => Err(Problem::new(StatusCode::FORBIDDEN)),
    ///         false => Ok(invocation),
    ///     }
    /// }
    ///
    /// assert!(Pipeline::builder(()).guard(not_blocked).build().is_ok());
    /// ```
    pub fn guard<F, Fut>(mut self, guard: F) -> Self
    where
        F: Fn(Invocation) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Invocation, Problem>> + Send + 'static,
    {
        let boxed = move |invocation| -> BoxFuture<'static, _> { Box::pin(guard(invocation)) };
        self.guards.push(Box::new(boxed));
        self
    }

    /// Sets how the caller is identified. This happens once for each event at most, and only if the policy or
    /// a handler asks for the caller. See [`Authenticator`] for an example.
    pub fn authenticator(mut self, authenticator: Authenticator) -> Self {
        self.reject_second("authenticator", self.authenticator.is_some());
        self.authenticator = Some(Box::new(authenticator));
        self
    }

    /// Sets what each caller may do. See [`AccessPolicy`] for an example.
    ///
    /// A request to an HTTP route that the policy does not list is refused. A route for which the policy
    /// names sources takes records only from these. Without a policy everything is allowed. A policy needs an
    /// [`authenticator`](Self::authenticator) if the pipeline has a router.
    ///
    /// A policy cannot list a fallback. With a policy, a path without a route is answered with 404, and no
    /// fallback of the router or of a nested router runs.
    ///
    /// The policy judges a CORS preflight like any other request. To answer it before the policy, use
    /// [`layer`](Self::layer).
    ///
    /// Behind [`Router::nest_service`] the router does not say which route it matched. There, the listed path
    /// that matches the path of the request decides.
    pub fn policy(mut self, policy: AccessPolicy) -> Self {
        self.reject_second("policy", self.policy.is_some());
        self.policy = Some(policy);
        self
    }

    /// Removes `base_path`, such as `/shop`, from the front of each path before the request is routed. A path
    /// that does not begin with `base_path` stays as it is.
    ///
    /// Use it for a base path that the event does not show: that of a CloudFront distribution, of a load
    /// balancer, or of an HTTP API whose route is `$default`. The stage of an HTTP API, and the base path of
    /// a custom domain that the matched route shows, are removed without this setting.
    ///
    /// # Examples
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use funcify::{Pipeline, testing::TestEvent};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let router = Router::new().route("/orders", get(async || "all of them"));
    /// let pipeline = Pipeline::builder(()).http(router).base_path("/shop").build()?;
    /// let output = TestEvent::get("/shop/orders").send(&pipeline).await?;
    /// assert_eq!(output.http().unwrap().body(), "all of them");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn base_path(mut self, base_path: &str) -> Self {
        self.reject_second("base_path", !self.base_path.is_empty());
        if !base_path.starts_with('/') || base_path.trim_matches('/').is_empty() {
            self.faults.push(Fault::BasePath(base_path.to_owned()));
        }
        self.base_path = base_path.into();
        self
    }

    /// Sets how long before the end of the invocation its work ends. By default 300 ms, for the response.
    pub fn deadline_margin(mut self, margin: Duration) -> Self {
        self.margin = margin;
        self
    }

    /// Builds the pipeline.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Faults`], which names every fault at once: of routes, of the authenticator, of the
    /// policy, and settings that are set twice.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::pipeline::{Pipeline, Problem, SqsRecord};
    ///
    /// async fn on_order(_: SqsRecord) -> Result<(), Problem> {
    ///     Ok(())
    /// }
    ///
    /// let pipeline = Pipeline::builder(()).sqs("orders", on_order).sqs("orders", on_order).build();
    /// let expected = "the pipeline cannot be built: two sqs routes have the name `orders`";
    /// assert_eq!(pipeline.unwrap_err().to_string(), expected);
    /// ```
    pub fn build(mut self) -> Result<Pipeline, ConfigError> {
        self.faults.extend(faults::of_routes(&self.routes));
        self.faults.extend(faults::of_authenticator(self.authenticator.as_deref()));
        if self.router.is_none() && !self.layers.is_empty() {
            self.faults.push(Fault::NoRouterInLayer);
        }
        if let Some(policy) = &self.policy {
            let lacks_authenticator = self.authenticator.is_none() && self.router.is_some();
            self.faults.extend(faults::of_policy(policy, &self.routes, lacks_authenticator));
        }
        if !self.faults.is_empty() {
            let faults = self.faults.iter().map(ToString::to_string).collect();
            return Err(ConfigError::Faults { what: "the pipeline cannot be built", faults });
        }
        let authenticator = match (self.authenticator, self.stores) {
            (Some(authenticator), Some(stores)) => {
                Some(authenticator.with_circuits(&stores.circuits))
            }
            (authenticator, _) => authenticator,
        };
        let authenticator = authenticator.map(Arc::from);
        let policy = self.policy.map(Arc::new);
        let guards = Guards::from(self.guards);
        let (app, layers) = (self.app, self.layers);
        let http = self.router.map(|router| {
            let router = admitted(router.with_state::<()>(app), policy.clone());
            let inside = Inside::new(router, guards.clone(), authenticator.clone());
            if layers.is_empty() {
                return Http::new(inside, None);
            }
            // This router has no route, so that the layers see a request before it is routed.
            let around = Router::new().fallback_service(inside.clone());
            Http::new(inside, Some(layers.into_iter().fold(around, |router, add| add(router))))
        });
        Ok(Pipeline::new(Rules {
            http,
            routes: self.routes,
            guards,
            authenticator,
            policy,
            margin: self.margin,
            base_path: self.base_path,
            series: Arc::default(),
        }))
    }

    /// A setting that is set twice is a fault, because the second value would silently replace the first.
    fn reject_second(&mut self, what: &'static str, is_set: bool) {
        if is_set {
            self.faults.push(Fault::SetTwice(what));
        }
    }
}

impl<App> fmt::Debug for PipelineBuilder<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineBuilder").finish_non_exhaustive()
    }
}
