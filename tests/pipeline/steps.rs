//! The steps before a handler: guards, authenticator, policy.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::State, routing::get};
use funcify::{
    CircuitBreaker, CircuitPolicy, Stores, TraceContext,
    auth::{AccessPolicy, Authenticator, Caller, KeySet, Unauthenticated},
    circuit::OverrideMode,
    pipeline::{
        Invocation, InvocationErrorKind, InvocationOutcome, Pipeline, PipelineBuilder, Problem,
        SqsRecord,
    },
    testing::TestEvent,
};
use funcify_core::{
    Deadline,
    engine::{Clock, SystemClock},
};
use http::{Method, StatusCode, header};
use serde_json::json;

use crate::support::events;

type Log = Arc<Mutex<Vec<&'static str>>>;

fn note(log: &Log, step: &'static str) {
    log.lock().unwrap().push(step);
}

#[tokio::test]
async fn guards_run_in_their_order_before_the_handler_and_a_refusal_ends_it() {
    #[derive(Clone)]
    struct Guarded;
    let log = Log::default();
    let (guarding, parsing) = (Arc::clone(&log), Arc::clone(&log));
    let guard = move |invocation: Invocation| {
        let log = Arc::clone(&guarding);
        async move {
            note(&log, "guard");
            let request = invocation.event().http().unwrap();
            if request.headers().contains_key("x-block") {
                return Err(Problem::new(StatusCode::FORBIDDEN));
            }
            Ok(invocation.attach(Guarded))
        }
    };
    let params = move |invocation: Invocation| {
        let log = Arc::clone(&parsing);
        async move {
            note(&log, "params");
            assert!(invocation.attached::<Guarded>().is_some());
            match invocation.event().http().unwrap().uri().query() {
                Some("page=one") => Err(Problem::bad_request("expected a number as the page")),
                _ => Ok(invocation),
            }
        }
    };
    let handler = async |State(log): State<Log>, invocation: Invocation| {
        note(&log, "handler");
        assert!(invocation.attached::<Guarded>().is_some());
    };
    let pipeline = Pipeline::builder(Arc::clone(&log))
        .http(Router::new().route("/", get(handler)))
        .guard(guard)
        .guard(params)
        .build()
        .unwrap();
    for (event, status, outcome, steps) in [
        (
            events::rest_get("/"),
            200,
            InvocationOutcome::Handled,
            &["guard", "params", "handler"][..],
        ),
        (events::rest_get("/").header("x-block", "1"), 403, InvocationOutcome::Refused, &["guard"]),
        (events::rest_get("/?page=one"), 400, InvocationOutcome::Refused, &["guard", "params"]),
    ] {
        let processed = pipeline.process(event.into()).await;
        assert_eq!(processed.status.unwrap(), status);
        assert_eq!(processed.outcome, outcome);
        assert_eq!(*std::mem::take(&mut *log.lock().unwrap()), *steps);
    }
}

#[tokio::test]
async fn a_refused_batch_fails_and_is_delivered_again() {
    let refuse = async |_: Invocation| Err(Problem::new(StatusCode::FORBIDDEN));
    let on_order = async |_: SqsRecord| Ok::<_, Problem>(());
    let pipeline = Pipeline::builder(()).sqs("orders", on_order).guard(refuse).build().unwrap();
    let processed = pipeline.process(TestEvent::sqs("orders").record("1", "order").into()).await;
    assert_eq!(processed.outcome, InvocationOutcome::Refused);
    assert_eq!(processed.result.unwrap_err().kind, InvocationErrorKind::Refused);
}

fn caller(subject: &str, permission: &str) -> Caller {
    let mut caller = Caller::new(subject);
    caller.permissions = vec![permission.to_owned()];
    caller
}

/// Knows the tokens `reader` and `writer`. The token `away` cannot be verified now.
fn authenticator() -> Authenticator {
    Authenticator::from_fn(async |authorization: Option<String>, _| {
        match authorization.as_deref() {
            Some("Bearer reader") => Ok(caller("r", "orders:order:read")),
            Some("Bearer writer") => Ok(caller("w", "orders:order:*")),
            Some("Bearer away") => {
                Err(Unauthenticated::Unavailable(Arc::new(std::io::Error::other("away"))))
            }
            Some(_) => Err(Unauthenticated::Signature),
            None => Err(Unauthenticated::Missing),
        }
    })
}

fn guarded() -> PipelineBuilder<()> {
    let orders = Router::new()
        .route("/", get(async || "list").post(async || "placed"))
        .route("/{id}", get(async || "order"));
    let router = Router::new()
        .route("/health", get(async || "healthy"))
        .route("/unlisted", get(async || "unlisted"))
        .route(
            "/me",
            get(async |invocation: Invocation| {
                let caller = invocation.caller().await?;
                Ok::<_, Problem>(caller.subject.clone())
            }),
        )
        .nest("/orders", orders)
        .nest_service("/opaque", Router::new().route("/{id}", get(async || "opaque")))
        .fallback(async || "a fallback that answers everything");
    let policy = AccessPolicy::new()
        .public(Method::GET, "/health")
        .public(Method::GET, "/me")
        .allow(Method::GET, "/orders/{id}", "orders:order:read")
        .allow(Method::POST, "/orders", "orders:order:create")
        .allow_source("orders", "arn:aws:sqs:eu-west-1:123456789012:orders")
        .allow_source("others", "arn:aws:sqs:eu-west-1:999999999999:others");
    let on_order = async |_: SqsRecord| Ok::<_, Problem>(());
    Pipeline::builder(())
        .http(router)
        .sqs("orders", on_order)
        .sqs("others", on_order)
        .sqs("free", on_order)
        .authenticator(authenticator())
        .policy(policy)
}

fn request(method: &Method, path: &str, token: Option<&str>) -> TestEvent {
    let event = events::http_request(method.clone(), path);
    let bearer = |token| format!("Bearer {token}");
    token.into_iter().fold(event, |event, token| event.header("authorization", &bearer(token)))
}

#[tokio::test]
async fn the_policy_sees_the_matched_path_of_nested_routers_and_refuses_routes_it_does_not_list() {
    let pipeline = guarded().build().unwrap();
    let (get, post) = (&Method::GET, &Method::POST);
    for (method, path, token, status) in [
        (get, "/health", None, 200),
        (get, "/health", Some("forged"), 200),
        (get, "/orders/7", None, 401),
        (get, "/orders/7", Some("forged"), 401),
        (get, "/orders/7", Some("reader"), 200),
        (&Method::HEAD, "/orders/7", Some("reader"), 200),
        (&Method::HEAD, "/orders/7", None, 401),
        (get, "/orders/7", Some("away"), 503),
        (post, "/orders", Some("reader"), 403),
        (post, "/orders", Some("writer"), 200),
        (post, "/orders", None, 401),
        (get, "/orders", Some("writer"), 403),
        (get, "/unlisted", Some("writer"), 403),
        (post, "/health", Some("writer"), 403),
        (get, "/opaque/7", Some("writer"), 403),
        (get, "/nowhere", Some("writer"), 404),
        (get, "/nowhere", None, 404),
        (get, "/me", None, 401),
        (get, "/me", Some("writer"), 200),
    ] {
        let processed = pipeline.process(request(method, path, token).into()).await;
        let case = format!("{method} {path} {token:?}");
        assert_eq!(processed.status.unwrap(), status, "{case}");
        let outcome = match status {
            200 => InvocationOutcome::Handled,
            404 => InvocationOutcome::Unmatched,
            503 => InvocationOutcome::Failed,
            _ => InvocationOutcome::Refused,
        };
        assert_eq!(processed.outcome, outcome, "{case}");
    }
}

#[tokio::test]
async fn a_401_has_a_challenge_and_a_403_says_what_is_missing() {
    let pipeline = guarded().build().unwrap();
    for (method, path, token, challenge) in [
        (Method::GET, "/orders/7", None, "Bearer realm=\"api\""),
        (Method::GET, "/orders/7", Some("forged"), "error=\"invalid_token\""),
        (Method::POST, "/orders", Some("reader"), "error=\"insufficient_scope\""),
    ] {
        let output = request(&method, path, token).send(&pipeline).await.unwrap();
        let headers = output.http().unwrap().headers();
        let found = headers[header::WWW_AUTHENTICATE].to_str().unwrap();
        assert!(found.contains(challenge), "{found}");
        assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
    }
    let two = request(&Method::GET, "/orders/7", Some("reader")).header("Authorization", "Basic x");
    let mut two = events::json(&two);
    two["headers"]["AUTHORIZATION"] = "Bearer writer".into();
    let output = TestEvent::from(two).send(&pipeline).await.unwrap();
    assert_eq!(
        output.http().unwrap().status(),
        400,
        "nothing says which of the two tokens applies"
    );
}

#[tokio::test]
async fn the_circuit_of_a_key_set_is_the_fleets() {
    async fn known(invocation: Invocation) -> Result<(), Problem> {
        invocation.caller().await.map(drop)
    }
    let stores = Stores::from_url("memory:").await.unwrap();
    let circuits = stores.circuits.clone();
    let another = CircuitBreaker::new("pip-login.example", CircuitPolicy::default(), circuits);
    let until = SystemClock.now() + Duration::from_secs(100);
    another.unwrap().set_override(OverrideMode::ForceOpen, until, "a test").await.unwrap();
    let keys = KeySet::new("https://login.example/jwks")
        .issuer("https://login.example")
        .audience("orders");
    let pipeline = Pipeline::builder(())
        .stores(stores)
        .http(Router::new().route("/", get(known)))
        .authenticator(Authenticator::new().keys(keys))
        .build()
        .unwrap();
    // {"alg":"RS256","kid":"1"}.{"iss":"https://login.example"} and a signature that nobody reads.
    let token = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUifQ.AA";
    let event = events::rest_get("/").header("authorization", &format!("Bearer {token}"));
    let processed = pipeline.process(event.into()).await;
    assert_eq!(processed.outcome, InvocationOutcome::Refused);
    let output = processed.result.unwrap();
    let retry_after = output.http().unwrap().headers()[header::RETRY_AFTER].to_str().unwrap();
    assert!((90..=100).contains(&retry_after.parse::<u32>().unwrap()), "{retry_after}");
}

#[tokio::test]
async fn the_signer_of_a_request_that_iam_authorises_is_the_caller_and_nobody_else_can_claim_it() {
    async fn whoami(invocation: Invocation) -> Result<String, Problem> {
        Ok(invocation.caller().await?.subject.clone())
    }
    let arn = "arn:aws:iam::123456789012:user/alice";
    let (signed, unsigned) = (json!({ "userArn": arn }), json!({ "userArn": null }));
    let (identity, authorizer) = ("/requestContext/identity", "/requestContext/authorizer");
    let iam = json!({ "iam": signed });
    let get = Method::GET;
    let rows = [
        (events::rest_get("/me"), identity, &signed, 200),
        (events::http_v1_payload(get.clone(), "/me"), identity, &signed, 200),
        (events::http_get("/me"), authorizer, &iam, 200),
        (events::function_url(get.clone(), "/me"), authorizer, &iam, 200),
        (events::rest_get("/me"), identity, &unsigned, 401),
        (events::http_get("/me"), identity, &signed, 401),
        (events::alb(get.clone(), "/me"), authorizer, &iam, 401),
        (events::vpc_lattice_v2(get, "/me"), identity, &signed, 401),
    ];
    let authenticator =
        || Authenticator::from_fn(async |_, _| Err::<Caller, _>(Unauthenticated::Missing));
    let pipeline = |authenticator: Authenticator| {
        let router = Router::new().route("/me", axum::routing::get(whoami));
        Pipeline::builder(()).http(router).authenticator(authenticator).build().unwrap()
    };
    let (believes, does_not) =
        (pipeline(authenticator().authorizer_claims(&[])), pipeline(authenticator()));
    for (event, place, value, status) in rows {
        let mut event = events::json(&event);
        let (parent, last) = place.rsplit_once('/').unwrap();
        event.pointer_mut(parent).unwrap()[last] = value.clone();
        let output = TestEvent::from(event.clone()).send(&believes).await.unwrap();
        assert_eq!(output.http().unwrap().status(), status, "{event}");
        assert!(status != 200 || output.http().unwrap().body() == arn, "{event}");
        let output = TestEvent::from(event.clone()).send(&does_not).await.unwrap();
        assert_eq!(output.http().unwrap().status(), 401, "{event}");
    }
}

#[tokio::test]
async fn the_policy_restricts_a_queue_to_its_own_sources() {
    let pipeline = guarded().build().unwrap();
    for queue in ["orders", "free"] {
        let batch = pipeline.process(TestEvent::sqs(queue).record("1", "order").into()).await;
        assert_eq!(batch.outcome, InvocationOutcome::Handled, "{queue}");
    }
    let other = pipeline.process(TestEvent::sqs("others").record("1", "order").into()).await;
    assert_eq!(other.outcome, InvocationOutcome::Refused);
    assert_eq!(other.result.unwrap().failures(), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_handler_is_a_503_before_the_timeout() {
    let hang = async || std::future::pending::<()>().await;
    let slow_body = async || {
        let never = http_body_util::StreamBody::new(futures_util::stream::pending::<
            Result<http_body::Frame<bytes::Bytes>, std::io::Error>,
        >());
        axum::body::Body::new(never)
    };
    let router = Router::new().route("/", get(hang)).route("/body", get(slow_body));
    let pipeline = Pipeline::builder(()).http(router).build().unwrap();
    for path in ["/", "/body"] {
        let started = tokio::time::Instant::now();
        let left = Duration::from_millis(500);
        let processed = events::process_within(&events::rest_get(path), &pipeline, left).await;
        assert_eq!(processed.status.unwrap(), 503);
        assert!(started.elapsed() < left, "{:?}", started.elapsed());
        let output = processed.result.unwrap();
        assert!(output.http().unwrap().headers().contains_key(header::RETRY_AFTER));
    }
    for left in [0, 1, 299] {
        let left = Duration::from_millis(left);
        let processed = events::process_within(&events::rest_get("/"), &pipeline, left).await;
        assert_eq!(processed.status.unwrap(), 503);
    }
}

#[tokio::test]
async fn the_handler_runs_in_the_deadline_and_trace_of_its_invocation() {
    let handler = async || {
        let deadline = Deadline::current().unwrap();
        assert!(deadline.remaining() > Duration::from_secs(20));
        assert!(deadline.remaining() < Duration::from_secs(30));
        let outgoing = http::HeaderMap::from(TraceContext::current().unwrap());
        outgoing["traceparent"].to_str().unwrap().to_owned()
    };
    let pipeline =
        Pipeline::builder(()).http(Router::new().route("/", get(handler))).build().unwrap();
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let event = events::rest_get("/").header("traceparent", parent);
    let output = event.send(&pipeline).await.unwrap();
    assert_eq!(output.http().unwrap().body(), parent);
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_next_event_is_served() {
    async fn panics() {
        panic!("hunter2");
    }
    let router = Router::new().route("/", get(panics)).route("/ok", get(async || "ok"));
    let pipeline = Pipeline::builder(()).http(router).build().unwrap();
    let processed = pipeline.process(events::rest_get("/").into()).await;
    assert_eq!(
        (processed.status.unwrap().as_u16(), processed.outcome),
        (500, InvocationOutcome::Failed)
    );
    assert!(!format!("{processed:?}").contains("hunter2"));
    let ok = pipeline.process(events::rest_get("/ok").into()).await;
    assert_eq!((ok.status.unwrap().as_u16(), ok.route.as_deref()), (200, Some("/ok")));
}

#[tokio::test]
async fn concurrent_events_do_not_mix() {
    let echo = async |invocation: Invocation| {
        tokio::time::sleep(Duration::from_millis(5)).await;
        invocation.event().http().unwrap().uri().query().unwrap_or_default().to_owned()
    };
    let pipeline = Pipeline::builder(()).http(Router::new().route("/", get(echo))).build().unwrap();
    let tasks: Vec<_> = (0..200)
        .map(|number: u32| {
            let pipeline = pipeline.clone();
            tokio::spawn(async move {
                let event = events::rest_get(&format!("/?n={number}"));
                let output = event.send(&pipeline).await.unwrap();
                assert_eq!(output.http().unwrap().body(), &format!("n={number}"));
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn a_policy_without_an_authenticator_is_a_fault() {
    let router = Router::new().route("/", get(async || ""));
    let policy = AccessPolicy::new().allow(Method::GET, "/", "not a permission");
    let error = Pipeline::builder(()).http(router).policy(policy).build().unwrap_err();
    let error = error.to_string();
    assert!(error.contains("a policy of HTTP routes needs an authenticator"), "{error}");
    assert_eq!(error.split("; ").count(), 2, "{error}");
}
