use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use axum::extract::FromRequestParts;
use funcify_core::Deadline;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode, header, request};
use lambda_runtime::Context;
use tokio::sync::OnceCell;

use crate::auth::authenticator::{Caller, Identify, Unauthenticated};
use crate::json::text::string;
use crate::pipeline::event::Event;
use crate::pipeline::event::kind::Kind;
use crate::pipeline::event::members::Top;
use crate::problem::Problem;
use crate::trace::TraceContext;

/// One invocation of the function: its event, its context and its caller.
///
/// An `Invocation` is cheap to clone. It is an axum extractor, and handlers of records can take it as an
/// argument. A guard can [`attach`](Self::attach) values, which handlers read with
/// [`attached`](Self::attached).
///
/// Within an invocation, [`Deadline::current`] returns its deadline. A call of an [`Api`](crate::Api) ends at
/// this deadline, and sends the trace headers of the invocation along.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use funcify::{pipeline::{Invocation, Pipeline, Problem}, testing::TestEvent};
///
/// #[derive(Clone)]
/// struct Tenant(String);
///
/// async fn tenant(invocation: Invocation) -> Result<Invocation, Problem> {
///     let request = invocation.event().http();
///     let tenant = request.and_then(|request| request.headers().get("x-tenant")?.to_str().ok());
///     let tenant = tenant.ok_or_else(|| Problem::bad_request("expected the header x-tenant"))?;
///     let tenant = Tenant(tenant.to_owned());
///     Ok(invocation.attach(tenant))
/// }
///
/// async fn hello(invocation: Invocation) -> String {
///     invocation.attached::<Tenant>().map_or_else(String::new, |tenant| tenant.0.clone())
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let router = Router::new().route("/hello", get(hello));
/// let pipeline = Pipeline::builder(()).http(router).guard(tenant).build()?;
/// let event = TestEvent::get("/hello");
/// let output = event.clone().header("x-tenant", "acme").send(&pipeline).await?;
/// assert_eq!(output.http().unwrap().body(), "acme");
/// let output = event.send(&pipeline).await?;
/// assert_eq!(output.http().unwrap().status(), 400);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Invocation {
    shared: Arc<Shared>,
    attached: Extensions,
}

struct Shared {
    event: Event,
    context: Context,
    deadline: Deadline,
    trace: TraceContext,
    authenticator: Option<Arc<dyn Identify>>,
    credentials: Credentials,
    caller: OnceCell<Result<Caller, Unauthenticated>>,
    route: OnceLock<Arc<str>>,
    /// The routes after the first, if the records of one event take several routes.
    more_routes: OnceLock<Mutex<Vec<Arc<str>>>>,
}

const OIDC_DATA: HeaderName = HeaderName::from_static("x-amzn-oidc-data");

/// The headers of a request that identify the caller.
#[derive(Default)]
pub(super) struct Credentials {
    authorization: Credential,
    /// The user that a load balancer has signed in.
    oidc_data: Credential,
}

/// The values of one of these headers.
#[derive(Default)]
enum Credential {
    #[default]
    None,
    One(HeaderValue),
    /// The header is repeated, and nothing says which value applies.
    Many,
}

impl Credential {
    fn of(headers: &HeaderMap, name: HeaderName) -> Self {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::None,
            (Some(value), None) => Self::One(value.clone()),
            (Some(_), Some(_)) => Self::Many,
        }
    }

    /// The value as text. An error if there are several values.
    fn text(&self) -> Result<Option<&str>, ()> {
        match self {
            Self::None => Ok(None),
            Self::One(value) => Ok(Some(value.to_str().unwrap_or_default())),
            Self::Many => Err(()),
        }
    }
}

impl Credentials {
    pub(super) fn of(headers: &HeaderMap, kind: Kind) -> Self {
        let oidc_data = match kind {
            Kind::Alb => Credential::of(headers, OIDC_DATA),
            // From any other source, the client could have written the header.
            _ => Credential::None,
        };
        Self { authorization: Credential::of(headers, header::AUTHORIZATION), oidc_data }
    }

    /// The token in a request to a Lambda authorizer. AppSync sends it without a scheme.
    pub(super) fn of_question(event: &Event) -> Self {
        let token = match event.top(Top::AuthorizationToken) {
            Some(token) => string(token).map(Cow::into_owned),
            None => event.top(Top::Headers).and_then(authorization_in),
        };
        let value = token.and_then(|token| match token.contains(' ') {
            true => HeaderValue::from_str(&token).ok(),
            false => HeaderValue::from_str(&format!("Bearer {token}")).ok(),
        });
        let authorization = value.map_or(Credential::None, Credential::One);
        Self { authorization, ..Self::default() }
    }
}

/// The header `Authorization` in an object of headers. `None` if there are several, because nothing says
/// which one applies.
fn authorization_in(headers: &str) -> Option<String> {
    let headers: BTreeMap<String, serde_json::Value> = serde_json::from_str(headers).ok()?;
    let is_one = |(name, _): &(String, _)| name.eq_ignore_ascii_case("authorization");
    let mut values = headers.into_iter().filter(is_one).map(|(_, value)| value);
    let first = values.next()?.as_str().map(str::to_owned);
    first.filter(|_| values.next().is_none())
}

impl Invocation {
    pub(super) fn new(
        event: Event,
        context: Context,
        deadline: Deadline,
        trace: TraceContext,
        credentials: Credentials,
        authenticator: Option<Arc<dyn Identify>>,
    ) -> Self {
        let (caller, route) = (OnceCell::new(), OnceLock::new());
        let shared = Shared {
            event,
            context,
            deadline,
            trace,
            authenticator,
            credentials,
            caller,
            route,
            more_routes: OnceLock::new(),
        };
        Self { shared: Arc::new(shared), attached: Extensions::new() }
    }

    /// The event.
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.shared.event
    }

    /// What Lambda says about the invocation: the request id, the ARN of the function, the identity of a
    /// mobile client and more.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.shared.context
    }

    /// When the work of the invocation must end.
    pub(super) fn deadline(&self) -> Deadline {
        self.shared.deadline
    }

    pub(super) fn trace(&self) -> &TraceContext {
        &self.shared.trace
    }

    /// The caller, identified by the [`authenticator`](super::PipelineBuilder::authenticator) of the
    /// pipeline. The first call may send requests. Later calls return the same result, also an error.
    ///
    /// # Errors
    ///
    /// A [`Problem`] with one of these statuses:
    ///
    /// - 401 if there are no valid credentials,
    /// - 400 if the header `Authorization` or, from a load balancer, `x-amzn-oidc-data` is repeated,
    /// - 503 if the caller cannot be identified now,
    /// - 500 if the pipeline has no authenticator.
    pub async fn caller(&self) -> Result<&Caller, Problem> {
        let shared = &*self.shared;
        let Some(authenticator) = &shared.authenticator else {
            return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR));
        };
        let repeated = |expected: &'static str| move |()| Problem::bad_request(expected).refused();
        let authorization = shared.credentials.authorization.text();
        let authorization =
            authorization.map_err(repeated("expected at most one header `Authorization`"))?;
        let oidc_data = shared.credentials.oidc_data.text();
        let oidc_data =
            oidc_data.map_err(repeated("expected at most one header `x-amzn-oidc-data`"))?;
        let identify = async {
            let authorizer = shared.event.authorizer().or_else(|| shared.event.signer());
            authenticator.identify(authorization, authorizer, oidc_data).await
        };
        shared.caller.get_or_init(|| identify).await.as_ref().map_err(|error| error.clone().into())
    }

    /// Attaches a value for later guards and the handler. A second value of the same type replaces the first.
    #[must_use]
    pub fn attach<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.attached.insert(value);
        self
    }

    /// The value of type `T` that a guard attached. `None` if there is no such value.
    #[must_use]
    pub fn attached<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.attached.get()
    }

    /// Records a route for the log.
    pub(super) fn note_route(&self, route: impl Into<Arc<str>>) {
        let mut route = Some(route.into());
        let first = self.shared.route.get_or_init(|| route.take().unwrap_or_default());
        let Some(route) = route.filter(|route| route != first) else { return };
        let more = self.shared.more_routes.get_or_init(Mutex::default);
        let mut more = more.lock().unwrap_or_else(PoisonError::into_inner);
        if !more.contains(&route) {
            more.push(route);
        }
    }

    /// The recorded route. Several routes are joined with commas.
    pub(super) fn route(&self) -> Option<Arc<str>> {
        let first = self.shared.route.get()?;
        let Some(more) = self.shared.more_routes.get() else { return Some(Arc::clone(first)) };
        let more = more.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<&str> =
            std::iter::once(first).chain(more.iter()).map(|route| &**route).collect();
        Some(all.join(",").into())
    }
}

impl<S: Sync> FromRequestParts<S> for Invocation {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut request::Parts,
        _state: &S,
    ) -> Result<Self, Self::Rejection> {
        let invocation = parts.extensions.get::<Self>().cloned();
        // The invocation is missing only if something other than a pipeline serves the router.
        invocation.ok_or_else(|| Problem::new(StatusCode::INTERNAL_SERVER_ERROR))
    }
}

impl fmt::Debug for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invocation")
            .field("kind", &self.shared.event.kind())
            .field("request_id", &self.shared.context.request_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_load_balancer_is_believed_who_signed_in() {
        let mut headers = HeaderMap::new();
        headers.insert(OIDC_DATA, HeaderValue::from_static("a.b.c"));
        for (kind, believed) in [
            (Kind::Alb, Some("a.b.c")),
            (Kind::HttpV2, None),
            (Kind::FunctionUrl, None),
            (Kind::RestV1, None),
            (Kind::VpcLatticeV2, None),
        ] {
            assert_eq!(Credentials::of(&headers, kind).oidc_data.text(), Ok(believed), "{kind}");
        }
        headers.append(OIDC_DATA, HeaderValue::from_static("d.e.f"));
        assert_eq!(Credentials::of(&headers, Kind::Alb).oidc_data.text(), Err(()));
    }
}
