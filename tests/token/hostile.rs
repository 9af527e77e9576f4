//! A misbehaving identity provider, over real HTTP.

use std::{
    collections::BTreeSet,
    error::Error,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Form, Json, Router,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use funcify::{
    ConfigError, error_chain,
    token::{
        ClientAuthentication, ClientCredentials, ClientSecret, Endpoint, GrantError, Signer,
        TokenError, TokenGetter, TokenPolicy,
    },
};
use funcify_backend_memory::MemoryBackend;
use funcify_core::register::RetryingRegister;
use funcify_test_support::{FakeGrant, on_virtual_time};
use serde_json::{Value, json};

use crate::support::http::{listen, serve, serve_on};

const SECRET: &str = "canary s3cr3t:+%";

/// A provider whose token endpoint always sends this response.
async fn answering<R>(answer: impl Fn() -> R + Clone + Send + Sync + 'static) -> String
where
    R: IntoResponse + Send + 'static,
{
    serve(Router::new().route("/token", post(move || async move { answer() }))).await
}

fn at(endpoint: Endpoint) -> TokenGetter {
    let secret = ClientSecret::from(SECRET);
    let credentials = ClientCredentials::new(endpoint, "ware:house", secret);
    let mut policy = TokenPolicy::default();
    policy.request_timeout = Duration::from_millis(500);
    policy.lease = Duration::from_secs(2);
    TokenGetter::builder(credentials, Arc::new(RetryingRegister::new(MemoryBackend::default())))
        .policy(policy)
        .build()
        .unwrap()
}

fn token_url(base: &str) -> Endpoint {
    Endpoint::TokenUrl(format!("{base}/token"))
}

/// The error that a provider causes. It must contain no secret and no token.
async fn refusal(base: &str) -> Arc<GrantError> {
    let error = at(token_url(base)).token().await.unwrap_err();
    let text = format!("{error:?} {}", error_chain(&error));
    for canary in ["canary", "s3cr3t", "Y2FuYXJ5", "pretty"] {
        assert!(!text.contains(canary), "{text}");
    }
    let TokenError::Grant(error) = error else { panic!("{error}") };
    error
}

#[tokio::test]
async fn f23_a_malformed_response_is_not_taken_for_a_token() {
    let odd: [(&str, Value); 5] = [
        ("another type", json!({"access_token": "pretty", "token_type": "mac", "expires_in": 60})),
        (
            "no lifetime left",
            json!({"access_token": "pretty", "token_type": "Bearer", "expires_in": 0}),
        ),
        (
            "a negative lifetime",
            json!({"access_token": "pretty", "token_type": "Bearer", "expires_in": -1}),
        ),
        (
            "a header in the token",
            json!({"access_token": "pretty\r\nX: y", "token_type": "Bearer"}),
        ),
        ("no token", json!({"token_type": "Bearer"})),
    ];
    for (name, body) in odd {
        let base = answering(move || Json(body.clone())).await;
        assert!(matches!(*refusal(&base).await, GrantError::Reply(_)), "{name}");
    }
    let page = answering(|| "<html>Sign in with pretty canary</html>").await;
    assert!(matches!(*refusal(&page).await, GrantError::Reply(_)));
}

#[tokio::test]
async fn f23_ten_megabytes_are_not_read() {
    let base = answering(|| " ".repeat(10 * 1_048_576)).await;
    let error = refusal(&base).await;
    let GrantError::Reply(cause) = &*error else { panic!("{error}") };
    assert_eq!(cause.to_string(), "expected a response of at most 65536 bytes");
}

#[tokio::test]
async fn f23_a_redirect_does_not_get_the_secret() {
    let caught = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&caught);
    let thief = serve(Router::new().fallback(move || async move {
        count.fetch_add(1, Ordering::SeqCst);
    }))
    .await;
    for status in ["temporary", "permanent"] {
        let to = thief.clone();
        let base = answering(move || match status {
            "temporary" => Redirect::temporary(&to),
            _ => Redirect::permanent(&to),
        })
        .await;
        assert!(matches!(*refusal(&base).await, GrantError::Reply(_)));
    }
    assert_eq!(caught.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn f23_failures_and_refusals_are_distinguished() {
    let base = answering(|| (StatusCode::INTERNAL_SERVER_ERROR, "canary")).await;
    assert!(matches!(*refusal(&base).await, GrantError::Unavailable { status: 500, .. }));

    let busy = || (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "7")], "");
    let error = refusal(&answering(busy).await).await;
    let GrantError::Unavailable { retry_after, .. } = *error else { panic!("{error}") };
    assert_eq!(retry_after, Some(Duration::from_secs(7)));

    let echo = || (StatusCode::UNAUTHORIZED, Json(json!({"error": format!("no {SECRET}")})));
    let error = refusal(&answering(echo).await).await;
    assert!(matches!(&*error, GrantError::Refused { code, .. } if code == "http_401"));

    let unreachable = refusal("http://127.0.0.1:9").await;
    assert!(matches!(*unreachable, GrantError::Unreachable(_)));
}

#[tokio::test]
async fn f23_a_request_to_a_slow_provider_ends_at_the_timeout() {
    let base = serve(
        Router::new()
            .route("/token", post(|| async { tokio::time::sleep(Duration::from_secs(30)).await })),
    )
    .await;
    let (refusal, took) = on_virtual_time(refusal(&base)).await;
    assert!(matches!(*refusal, GrantError::TimedOut));
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn f23_a_request_with_a_trickling_response_ends_at_the_timeout() {
    let trickle = || {
        let bytes = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Some((Ok::<_, std::convert::Infallible>("{"), ()))
        });
        axum::body::Body::from_stream(bytes).into_response()
    };
    let base = answering(trickle).await;
    let (refusal, took) = on_virtual_time(refusal(&base)).await;
    assert!(matches!(*refusal, GrantError::TimedOut));
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn each_attempt_is_signed_with_a_fresh_jti() {
    let assertions = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&assertions);
    let endpoint = move |Form(form): Form<Vec<(String, String)>>| {
        let assertion = form.into_iter().find(|(name, _)| name == "client_assertion").unwrap().1;
        seen.lock().unwrap().push(assertion);
        async { StatusCode::SERVICE_UNAVAILABLE }
    };
    let base = serve(Router::new().route("/token", post(endpoint))).await;
    let signed = ClientAuthentication::PrivateKeyJwt(Arc::new(Unsigned));
    let credentials = ClientCredentials::new(token_url(&base), "warehouse", signed);
    let store = Arc::new(RetryingRegister::new(MemoryBackend::default()));
    let getter = TokenGetter::builder(credentials, store).build().unwrap();
    for _ in 0..3 {
        getter.token().await.unwrap_err();
        tokio::time::sleep(Duration::from_millis(2_100)).await;
    }
    let claims = |assertion: &String| {
        let claims = assertion.split('.').nth(1).unwrap();
        serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
    };
    let claims: Vec<_> = assertions.lock().unwrap().iter().map(claims).collect();
    assert!(claims.len() >= 2, "{claims:?}");
    let jtis: BTreeSet<_> = claims.iter().map(|claims| claims["jti"].to_string()).collect();
    assert_eq!(jtis.len(), claims.len(), "{claims:?}");
    for claims in claims {
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!("warehouse"), &json!("warehouse")));
        assert_eq!(claims["aud"], json!(format!("{base}/token")));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
    }
}

/// Signs with a key in a key service.
#[derive(Debug)]
struct Unsigned;

#[async_trait]
impl Signer for Unsigned {
    fn algorithm(&self) -> &str {
        "ES256"
    }

    async fn sign(&self, _: &[u8]) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
        Ok(vec![0; 64])
    }
}

#[tokio::test]
async fn the_request_is_the_one_that_the_standard_specifies() {
    let router = Router::new().route("/token", post(token_endpoint));
    let base = serve(router).await;
    let secret = ClientSecret::from(SECRET);
    let mut credentials = ClientCredentials::new(token_url(&base), "ware:house", secret);
    credentials.scope = Some("a b".to_owned());
    credentials.audience = Some("https://api.example".to_owned());
    credentials.resources = vec!["urn:one".to_owned(), "urn:two".to_owned()];
    credentials.parameters = vec![("tenant".to_owned(), "acme".to_owned())];
    let store = Arc::new(RetryingRegister::new(MemoryBackend::default()));
    let getter = TokenGetter::builder(credentials, store).build().unwrap();
    assert_eq!(getter.token().await.unwrap().expose(), "pretty");
}

async fn token_endpoint(headers: HeaderMap, Form(form): Form<Vec<(String, String)>>) -> Response {
    let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = [
        ("grant_type", "client_credentials"),
        ("scope", "a b"),
        ("audience", "https://api.example"),
        ("resource", "urn:one"),
        ("resource", "urn:two"),
        ("tenant", "acme"),
    ];
    // `ware%3Ahouse:canary+s3cr3t%3A%2B%25`
    let basic = "Basic d2FyZSUzQWhvdXNlOmNhbmFyeStzM2NyM3QlM0ElMkIlMjU=";
    if form != expected || headers[header::AUTHORIZATION] != basic {
        return StatusCode::BAD_REQUEST.into_response();
    }
    Json(json!({"access_token": "pretty", "token_type": "bearer", "expires_in": "3600"}))
        .into_response()
}

#[tokio::test]
async fn an_issuers_metadata_is_read_once_and_valid_only_for_itself() {
    let (listener, base) = listen().await;
    let reads = Arc::new(AtomicU64::new(0));
    let metadata = |issuer: String| {
        let (base, reads) = (base.clone(), Arc::clone(&reads));
        get(move || async move {
            reads.fetch_add(1, Ordering::SeqCst);
            Json(json!({"issuer": issuer, "token_endpoint": format!("{base}/token")}))
        })
    };
    let token = json!({"access_token": "pretty", "token_type": "Bearer", "expires_in": 1});
    let router = Router::new()
        .route("/good/.well-known/openid-configuration", metadata(format!("{base}/good")))
        .route("/.well-known/oauth-authorization-server/old", metadata(format!("{base}/old")))
        .route("/bad/.well-known/openid-configuration", metadata(format!("{base}/good")))
        .route("/token", post(move || async move { Json(token) }));
    serve_on(listener, router);

    let good = at(Endpoint::Issuer(format!("{base}/good")));
    good.token().await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    good.token().await.unwrap();
    assert_eq!((reads.load(Ordering::SeqCst), good.metrics().grants), (1, 2));

    at(Endpoint::Issuer(format!("{base}/old"))).token().await.unwrap();
    let error = at(Endpoint::Issuer(format!("{base}/bad"))).token().await.unwrap_err();
    assert!(
        matches!(error, TokenError::Grant(error) if matches!(*error, GrantError::Discovery(_)))
    );
}

#[test]
fn a_getter_that_would_send_its_secret_in_plain_text_is_not_built() {
    let secret = ClientSecret::from(SECRET);
    let url = Endpoint::TokenUrl("http://login.example/token".to_owned());
    let credentials = ClientCredentials::new(url, " ", secret);
    let mut policy = TokenPolicy::default();
    policy.request_timeout = Duration::from_secs(10);
    let store = Arc::new(RetryingRegister::new(MemoryBackend::default()));
    let error = TokenGetter::builder(credentials, store).policy(policy).build().unwrap_err();
    let ConfigError::Faults { faults, .. } = &error else { panic!("{error:?}") };
    assert_eq!(faults.len(), 3, "{error}");
    assert!(!error.to_string().contains("canary"));
}

#[tokio::test(start_paused = true)]
async fn a_granted_token_that_does_not_fit_into_a_header_is_an_error_and_not_asked_for_again() {
    let secret = ClientSecret::from(SECRET);
    let url = Endpoint::TokenUrl("https://login.example/token".to_owned());
    let provider = FakeGrant::new().with_latency(Duration::from_millis(10)).with_token("a\nb");
    let store = Arc::new(RetryingRegister::new(MemoryBackend::default()));
    let builder = TokenGetter::builder(ClientCredentials::new(url, "warehouse", secret), store);
    let error = builder.grant(provider.clone()).build().unwrap().token().await.unwrap_err();
    let TokenError::Grant(error) = &error else { panic!("{error}") };
    assert!(matches!(**error, GrantError::Reply(_)), "{error}");
    assert_eq!(provider.requests().len(), 1);
}

#[test]
fn a_refresh_point_outside_of_a_tokens_life_is_refused() {
    for (fraction, is_legal) in
        [(0.1, true), (0.95, true), (0.09, false), (0.96, false), (-1.0, false), (f64::NAN, false)]
    {
        let secret = ClientSecret::from(SECRET);
        let url = Endpoint::TokenUrl("https://login.example/token".to_owned());
        let store = Arc::new(RetryingRegister::new(MemoryBackend::default()));
        let mut policy = TokenPolicy::default();
        policy.refresh_from = fraction;
        let built = TokenGetter::builder(ClientCredentials::new(url, "warehouse", secret), store)
            .policy(policy)
            .build();
        assert_eq!(built.is_ok(), is_legal, "{fraction}");
        if let Err(error) = built {
            assert!(error.to_string().contains("TokenPolicy::refresh_from"), "{error}");
        }
    }
}
