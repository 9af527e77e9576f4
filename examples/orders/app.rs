//! The function itself, as you would deploy it: routes, guards, policy and handlers.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Query, Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, SET_COOKIE},
        request::Parts,
    },
    middleware::{Next, from_fn},
    response::{AppendHeaders, IntoResponse, Response},
    routing::{get, post},
};
use funcify::{
    AccessPolicy, Api, Authenticator, ConfigError, Idempotency, IdempotencyLayer, Invocation,
    Message, Pipeline, Problem, S3Object, Stores, api::segment, pipeline::route,
};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower_http::cors::CorsLayer;

/// The state that all handlers share.
#[derive(Clone)]
pub(crate) struct App {
    warehouse: Api,
    orders: Arc<Mutex<BTreeMap<u32, Order>>>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Order {
    sku: String,
    quantity: u32,
}

impl App {
    pub(crate) fn new(warehouse: Api) -> Self {
        let stocked = [(7, "kettle", 1), (8, "lamp", 2), (9, "kettle", 3)];
        let orders =
            stocked.map(|(id, sku, quantity)| (id, Order { sku: sku.to_owned(), quantity }));
        Self { warehouse, orders: Arc::new(Mutex::new(orders.into())) }
    }

    fn orders(&self) -> MutexGuard<'_, BTreeMap<u32, Order>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The work that is done once, however often a request or message is repeated.
#[derive(Clone)]
pub(crate) struct Once {
    pub(crate) payments: Idempotency,
    pub(crate) messages: Idempotency,
}

/// The whole function in one place: the routes, who is calling, and who may do what.
pub(crate) fn pipeline(
    app: App,
    stores: Stores,
    authenticator: Authenticator,
    once: &Once,
) -> Result<Pipeline, ConfigError> {
    // A repeated request with the same `Idempotency-Key` gets the first response.
    let paid_once = IdempotencyLayer::required(once.payments.clone(), payer);
    let router = Router::new()
        .route("/health", get(async || "ok"))
        .route("/orders/feed", get(feed))
        .route("/orders", get(list).post(place))
        .route("/orders/{id}", get(read))
        .route("/orders/{id}/payments", post(pay).layer(paid_once).layer(from_fn(name_payer)));
    let policy = AccessPolicy::new()
        .public(Method::GET, "/health")
        .public(Method::GET, "/orders/feed")
        .allow(Method::GET, "/orders", "orders:order:list")
        .allow(Method::POST, "/orders", "orders:order:place")
        .allow(Method::GET, "/orders/{id}", "orders:order:read")
        .allow(Method::POST, "/orders/{id}/payments", "orders:order:pay");

    Pipeline::builder(app)
        .stores(stores)
        .http(router)
        .s3("uploads", on_upload)
        .s3("uploads.*", on_upload)
        .s3("archive", on_archive)
        // SQS delivers a message at least once, and sometimes twice.
        .sqs("orders", route(on_message).idempotent_by_id(&once.messages))
        .guard(refuse_blocked)
        .guard(currency)
        .authenticator(authenticator)
        .policy(policy)
        .layer(cors())
        .build()
}

/// Lets the web page of the shop call the function with its cookies. The layer is around the policy, so that
/// the page can also read why a call was refused.
fn cors() -> CorsLayer {
    let shop = std::env::var("ORDERS_SHOP").ok().and_then(|shop| shop.parse::<HeaderValue>().ok());
    let Some(shop) = shop else { return CorsLayer::new() };
    CorsLayer::new()
        .allow_origin(shop)
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE])
}

/// A guard sees the whole event before any other code of the function does.
async fn refuse_blocked(invocation: Invocation) -> Result<Invocation, Problem> {
    let blocked = HeaderName::from_static("x-block");
    match invocation.event().http() {
        Some(request) if request.headers().contains_key(blocked) => {
            Err(Problem::new(StatusCode::FORBIDDEN).with("detail", "this caller is blocked"))
        }
        _ => Ok(invocation),
    }
}

/// The currency in which the caller wants to see prices.
#[derive(Clone)]
struct Currency(String);

/// A guard can also read what the handlers need, once for each event, and attach it.
async fn currency(invocation: Invocation) -> Result<Invocation, Problem> {
    let request = invocation.event().http();
    let wanted = request.and_then(|request| request.headers().get("x-currency")?.to_str().ok());
    let currency = Currency(wanted.unwrap_or("EUR").to_owned());
    Ok(invocation.attach(currency))
}

#[derive(Deserialize)]
struct Filter {
    sku: Option<String>,
}

async fn list(State(app): State<App>, Query(filter): Query<Filter>) -> Json<Value> {
    let orders = app.orders();
    let wanted = |order: &Order| filter.sku.as_ref().is_none_or(|sku| *sku == order.sku);
    let found: Vec<_> = orders.iter().filter(|(_, order)| wanted(order)).collect();
    Json(json!(found))
}

async fn read(
    State(app): State<App>,
    invocation: Invocation,
    Path(id): Path<u32>,
) -> Result<impl IntoResponse, Problem> {
    let found = app.orders().get(&id).cloned();
    let order = found.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND))?;
    // The call has the fleet's token and goes through the fleet's circuit. If the circuit is open, `?` makes
    // the response a 503 with `Retry-After`.
    let stock: Value = app.warehouse.get(&format!("/stock/{}", segment(&order.sku))).await?;
    let currency = invocation.attached::<Currency>().map(|currency| currency.0.clone());
    let cookies =
        AppendHeaders([(SET_COOKIE, format!("last={id}")), (SET_COOKIE, "seen=1".to_owned())]);
    Ok((cookies, Json(json!({"id": id, "order": order, "stock": stock, "currency": currency}))))
}

/// The orders one by one, as lines of JSON. With streaming, each line is sent when it is ready. The cookie
/// that `read` sets shows which order the caller has read last.
async fn feed(State(app): State<App>, headers: HeaderMap) -> impl IntoResponse {
    const PAUSE: Duration = Duration::from_millis(300);

    let cookies = headers.get(COOKIE).and_then(|cookies| cookies.to_str().ok()).unwrap_or_default();
    let last = cookies.split("; ").find_map(|cookie| cookie.strip_prefix("last=")?.parse().ok());

    let orders: Vec<_> = app.orders().clone().into_iter().collect();
    let lines = stream::iter(orders).then(move |(id, order)| async move {
        tokio::time::sleep(PAUSE).await;
        let line = json!({"id": id, "order": order, "is_last_read": last == Some(id)});
        Ok::<_, Infallible>(format!("{line}\n"))
    });
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines))
}

async fn place(
    State(app): State<App>,
    Json(order): Json<Order>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let id = app.place(order).await?;
    Ok((StatusCode::CREATED, Json(json!({"id": id}))))
}

/// The caller who pays. Two callers may use the same `Idempotency-Key` for different payments.
#[derive(Clone)]
struct Payer(String);

/// Passes the caller to the idempotency layer. The policy has already identified the caller.
async fn name_payer(
    invocation: Invocation,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let payer = Payer(invocation.caller().await?.subject.clone());
    request.extensions_mut().insert(payer);
    Ok(next.run(request).await)
}

fn payer(request: &Parts) -> Option<String> {
    request.extensions.get::<Payer>().map(|payer| payer.0.clone())
}

#[derive(Deserialize, Serialize)]
struct Payment {
    amount: u32,
}

/// Pays for an order. If the function dies after the call and before its response is stored, the next attempt
/// repeats the call. [`Api`] sends the same `Idempotency-Key` with it, so the warehouse does not charge
/// twice.
async fn pay(
    State(app): State<App>,
    Path(id): Path<u32>,
    Json(payment): Json<Payment>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    if !app.orders().contains_key(&id) {
        return Err(Problem::new(StatusCode::NOT_FOUND));
    }
    let charge = json!({"order": id, "amount": payment.amount});
    let receipt: Value = app.warehouse.post("/payments", &charge).await?;
    Ok((StatusCode::CREATED, Json(receipt)))
}

/// Each message of the queue is an order. Only orders that could not be placed are delivered again.
async fn on_message(State(app): State<App>, order: Message<Order>) -> Result<(), Problem> {
    app.place(order.body).await.map(drop)
}

impl App {
    async fn place(&self, order: Order) -> Result<u32, Problem> {
        if order.quantity == 0 {
            let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY);
            return Err(problem.with("detail", "a quantity of 0"));
        }
        let _: Value = self.warehouse.post("/reservations", &order).await?;
        let mut orders = self.orders();
        let id = orders.last_key_value().map_or(1, |(last, _)| last.saturating_add(1));
        orders.insert(id, order);
        Ok(id)
    }
}

async fn on_upload(upload: S3Object) -> Result<(), Problem> {
    tracing::info!(bucket = upload.bucket, key = upload.key, size = upload.size, "uploaded");
    Ok(())
}

async fn on_archive(upload: S3Object) -> Result<(), Problem> {
    tracing::info!(bucket = upload.bucket, key = upload.key, "archived");
    Ok(())
}
