use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::State, routing::get};
use funcify::{
    CircuitBreaker, CircuitPolicy, Stores, TraceContext,
    auth::{AccessPolicy, Authenticator, Caller, Unauthenticated},
    circuit::OverrideMode,
    pipeline::{
        FailureKind, Invocation, InvocationOutcome, Pipeline, PipelineBuilder, Problem, SqsRecord,
    },
    testing::{self, HttpEvent},
};
use funcify_core::{
    Deadline,
    engine::{Clock, SystemClock},
};
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

type Log = Arc<Mutex<Vec<&'static str>>>;

fn note(log: &Log, step: &'static str) {
    log.lock().unwrap().push(step);
}

#[tokio::test]
async fn guard_params_and_handler_run_in_this_order_and_a_refusal_ends_it() {
    #[derive(Clone)]
    struct Guarded;
    let log = Log::default();
    let (guarding, parsing) = (Arc::clone(&log), Arc::clone(&log));
    let guard = move |invocation: Invocation| {
        let log = Arc::clone(&guarding);
        async move {
            note(&log, "guard");
            let headers = invocation.event().headers().unwrap();
            if headers.contains_key("x-block") {
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
            match invocation.event().query() {
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
        .params(params)
        .build()
        .unwrap();
    for (event, status, outcome, steps) in [
        (
            testing::rest_get("/"),
            200,
            InvocationOutcome::Handled,
            &["guard", "params", "handler"][..],
        ),
        (
            testing::rest_get("/").header("x-block", "1"),
            403,
            InvocationOutcome::Refused,
            &["guard"],
        ),
        (
            testing::rest_get("/").query("page", "one"),
            400,
            InvocationOutcome::Refused,
            &["guard", "params"],
        ),
    ] {
        let processed = event.process(&pipeline).await;
        assert_eq!(processed.status().unwrap(), status);
        assert_eq!(processed.outcome, outcome);
        assert_eq!(*std::mem::take(&mut *log.lock().unwrap()), *steps);
    }
}

#[tokio::test]
async fn a_refused_batch_fails_and_is_delivered_again() {
    let refuse = async |_: Invocation| Err(Problem::new(StatusCode::FORBIDDEN));
    let on_order = async |_: SqsRecord| Ok::<_, Problem>(());
    let pipeline = Pipeline::builder(()).sqs("orders", on_order).guard(refuse).build().unwrap();
    let processed = testing::sqs("orders").message("1", "order").process(&pipeline).await;
    assert_eq!(processed.outcome, InvocationOutcome::Refused);
    assert_eq!(processed.result.unwrap_err().kind(), FailureKind::Refused);
}

/// Tokens `reader` and `writer`; `away` cannot be judged.
fn authenticator() -> Authenticator {
    Authenticator::from_fn(async |authorization: Option<String>, _| {
        match authorization.as_deref() {
            Some("Bearer reader") => Ok(Caller::new("r").with_permissions(["orders:order:read"])),
            Some("Bearer writer") => Ok(Caller::new("w").with_permissions(["orders:order:*"])),
            Some("Bearer away") => Err(Unauthenticated::unavailable(std::io::Error::other("away"))),
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
                Ok::<_, Problem>(caller.subject().to_owned())
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

fn request(method: &Method, path: &str, token: Option<&str>) -> HttpEvent {
    let event = testing::http_request(method.clone(), path);
    token.into_iter().fold(event, HttpEvent::bearer)
}

#[tokio::test]
async fn the_policy_sees_the_matched_path_of_nested_routers_and_refuses_what_it_does_not_list() {
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
        (get, "/opaque/7", Some("writer"), 404),
        (get, "/nowhere", Some("writer"), 404),
        (get, "/nowhere", None, 404),
        (get, "/me", None, 401),
        (get, "/me", Some("writer"), 200),
    ] {
        let processed = request(method, path, token).process(&pipeline).await;
        let case = format!("{method} {path} {token:?}");
        assert_eq!(processed.status().unwrap(), status, "{case}");
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
async fn a_401_challenges_and_a_403_says_what_is_missing() {
    let pipeline = guarded().build().unwrap();
    for (method, path, token, challenge) in [
        (Method::GET, "/orders/7", None, "Bearer realm=\"api\""),
        (Method::GET, "/orders/7", Some("forged"), "error=\"invalid_token\""),
        (Method::POST, "/orders", Some("reader"), "error=\"insufficient_scope\""),
    ] {
        let answer = request(&method, path, token).send(&pipeline).await.unwrap();
        let headers = answer.http().unwrap().headers();
        let found = headers[header::WWW_AUTHENTICATE].to_str().unwrap();
        assert!(found.contains(challenge), "{found}");
        assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
    }
    let two = request(&Method::GET, "/orders/7", Some("reader")).header("Authorization", "Basic x");
    let mut two: serde_json::Value = serde_json::from_str(&two.json()).unwrap();
    two["headers"]["AUTHORIZATION"] = "Bearer writer".into();
    let answer = testing::TestEvent::new(two).send(&pipeline).await.unwrap();
    assert_eq!(answer.status().unwrap(), 400, "which of two tokens counts, nobody can say");
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
    let authenticator =
        Authenticator::jwks("https://login.example/jwks").issuer("https://login.example");
    let pipeline = Pipeline::builder(())
        .backend(stores)
        .http(Router::new().route("/", get(known)))
        .authenticator(authenticator.audience("orders"))
        .build()
        .unwrap();
    // {"alg":"RS256","kid":"1"}.{"iss":"https://login.example"} and a signature that nobody reads.
    let token = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUifQ.AA";
    let processed = testing::rest_get("/").bearer(token).process(&pipeline).await;
    assert_eq!(processed.outcome, InvocationOutcome::Refused);
    let answer = processed.result.unwrap();
    let retry_after = answer.http().unwrap().headers()[header::RETRY_AFTER].to_str().unwrap();
    assert!((90..=100).contains(&retry_after.parse::<u32>().unwrap()), "{retry_after}");
}

#[tokio::test]
async fn who_signed_a_request_is_the_caller_where_iam_authorises_and_nobody_else_can_say_so() {
    async fn whoami(invocation: Invocation) -> Result<String, Problem> {
        Ok(invocation.caller().await?.subject().to_owned())
    }
    let arn = "arn:aws:iam::123456789012:user/alice";
    let (signed, unsigned) = (json!({ "userArn": arn }), json!({ "userArn": null }));
    let (identity, authorizer) = ("/requestContext/identity", "/requestContext/authorizer");
    let iam = json!({ "iam": signed });
    let get = Method::GET;
    let rows = [
        (testing::rest_get("/me"), identity, &signed, 200),
        (testing::http_v1_payload(get.clone(), "/me"), identity, &signed, 200),
        (testing::http_get("/me"), authorizer, &iam, 200),
        (testing::function_url(get.clone(), "/me"), authorizer, &iam, 200),
        (testing::rest_get("/me"), identity, &unsigned, 401),
        (testing::http_get("/me"), identity, &signed, 401),
        (testing::alb(get.clone(), "/me"), authorizer, &iam, 401),
        (testing::vpc_lattice_v2(get, "/me"), identity, &signed, 401),
    ];
    let authenticator =
        || Authenticator::from_fn(async |_, _| Err::<Caller, _>(Unauthenticated::Missing));
    let pipeline = |authenticator: Authenticator| {
        let router = Router::new().route("/me", axum::routing::get(whoami));
        Pipeline::builder(()).http(router).authenticator(authenticator).build().unwrap()
    };
    let (believes, does_not) =
        (pipeline(authenticator().authorizer_claims()), pipeline(authenticator()));
    for (event, place, value, status) in rows {
        let mut event: Value = serde_json::from_str(&event.json()).unwrap();
        let (parent, last) = place.rsplit_once('/').unwrap();
        event.pointer_mut(parent).unwrap()[last] = value.clone();
        let answer = testing::TestEvent::new(event.clone()).send(&believes).await.unwrap();
        assert_eq!(answer.status().unwrap(), status, "{event}");
        assert!(status != 200 || answer.http().unwrap().body() == arn, "{event}");
        let answer = testing::TestEvent::new(event.clone()).send(&does_not).await.unwrap();
        assert_eq!(answer.status().unwrap(), 401, "{event}");
    }
}

#[tokio::test]
async fn a_cors_preflight_goes_to_the_router() {
    let cors = Router::new().route("/orders", get(async || "").options(async || "preflight"));
    let pipeline = Pipeline::builder(())
        .http(cors)
        .authenticator(authenticator())
        .policy(AccessPolicy::new().allow(Method::GET, "/orders", "orders:order:list"))
        .build()
        .unwrap();
    let options = testing::http_request(Method::OPTIONS, "/orders");
    let origin = |request: HttpEvent| request.header("origin", "https://shop");
    let method = |request: HttpEvent| request.header("access-control-request-method", "GET");
    for (case, request, status) in [
        ("neither", options.clone(), 403),
        ("an origin", origin(options.clone()), 403),
        ("a method", method(options.clone()), 403),
        ("both", origin(method(options)), 200),
    ] {
        assert_eq!(request.send(&pipeline).await.unwrap().status().unwrap(), status, "{case}");
    }
}

#[tokio::test]
async fn the_policy_lets_a_queue_take_only_from_its_own_sources() {
    let pipeline = guarded().build().unwrap();
    for queue in ["orders", "free"] {
        let batch = testing::sqs(queue).message("1", "order").process(&pipeline).await;
        assert_eq!(batch.outcome, InvocationOutcome::Handled, "{queue}");
    }
    let other = testing::sqs("others").message("1", "order").process(&pipeline).await;
    assert_eq!(other.outcome, InvocationOutcome::Refused);
    assert_eq!(other.result.unwrap().failures(), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_handler_is_a_503_before_the_kill() {
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
        let processed = testing::rest_get(path).process_within(&pipeline, left).await;
        assert_eq!(processed.status().unwrap(), 503);
        assert!(started.elapsed() < left, "{:?}", started.elapsed());
        let answer = processed.result.unwrap();
        assert!(answer.http().unwrap().headers().contains_key(header::RETRY_AFTER));
    }
    for left in [0, 1, 299] {
        let left = Duration::from_millis(left);
        let processed = testing::rest_get("/").process_within(&pipeline, left).await;
        assert_eq!(processed.status().unwrap(), 503);
    }
}

#[tokio::test]
async fn the_handler_finds_deadline_and_trace_of_its_invocation() {
    let handler = async |invocation: Invocation| {
        assert_eq!(Deadline::current(), Some(invocation.deadline()));
        assert!(invocation.deadline().remaining() > Duration::from_secs(20));
        let mut outgoing = http::HeaderMap::new();
        TraceContext::current().unwrap().apply(&mut outgoing);
        outgoing["traceparent"].to_str().unwrap().to_owned()
    };
    let pipeline =
        Pipeline::builder(()).http(Router::new().route("/", get(handler))).build().unwrap();
    let event = testing::rest_get("/").header("traceparent", "00-1-2-01");
    let answer = event.send(&pipeline).await.unwrap();
    assert_eq!(answer.http().unwrap().body(), "00-1-2-01");
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_next_event_is_served() {
    async fn panics() {
        panic!("hunter2");
    }
    let router = Router::new().route("/", get(panics)).route("/ok", get(async || "ok"));
    let pipeline = Pipeline::builder(()).http(router).build().unwrap();
    let processed = testing::rest_get("/").process(&pipeline).await;
    assert_eq!(
        (processed.status().unwrap().as_u16(), processed.outcome),
        (500, InvocationOutcome::Failed)
    );
    assert!(!format!("{processed:?}").contains("hunter2"));
    let ok = testing::rest_get("/ok").process(&pipeline).await;
    assert_eq!((ok.status().unwrap().as_u16(), ok.route.as_deref()), (200, Some("/ok")));
}

#[tokio::test]
async fn many_events_at_once_do_not_mix() {
    let echo = async |invocation: Invocation| {
        tokio::time::sleep(Duration::from_millis(5)).await;
        invocation.event().query().unwrap_or_default().to_owned()
    };
    let pipeline = Pipeline::builder(()).http(Router::new().route("/", get(echo))).build().unwrap();
    let tasks: Vec<_> = (0..200)
        .map(|number: u32| {
            let pipeline = pipeline.clone();
            tokio::spawn(async move {
                let event = testing::rest_get("/").query("n", &number.to_string());
                let answer = event.send(&pipeline).await.unwrap();
                assert_eq!(answer.http().unwrap().body(), &format!("n={number}"));
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn a_policy_without_a_pip_is_a_fault() {
    let router = Router::new().route("/", get(async || ""));
    let policy = AccessPolicy::new().allow(Method::GET, "/", "not a permission");
    let error = Pipeline::builder(()).http(router).policy(policy).build().unwrap_err();
    assert_eq!(error.faults().len(), 2, "{error}");
}
