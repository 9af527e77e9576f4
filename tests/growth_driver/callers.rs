//! Who is calling: tokens, key sets, authorizers, and the policy.

use axum::{Router, routing::get};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use funcify::{
    AccessPolicy, Authenticator, Invocation, Pipeline, Problem,
    auth::KeySet,
    pipeline::{Processed, SqsRecord},
    testing::TestEvent,
};
use http::Method;
use serde_json::{Map, Value, json};

use crate::{Case, case, processed, served::serve};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("claims of a token", 100, |size| {
            let claims = (0..size).map(|claim| (format!("claim{claim}"), json!(["a", claim])));
            run(&token(&json!({ "kid": "one" }), claims.collect()), &one_key())
        }),
        case("words of a token's scope", 150, |size| {
            let claims = json!({ "scope": "orders:order:read ".repeat(size) });
            run(&token(&json!({ "kid": "one" }), claims.as_object().unwrap().clone()), &one_key())
        }),
        case("members of a token's header", 100, |size| {
            let header: Map<String, Value> =
                (0..size).map(|member| (format!("m{member}"), json!(member))).collect();
            run(&token(&Value::Object(header), Map::new()), &one_key())
        }),
        case("dots of a token", 4_000, |size| run(&"a.".repeat(size), &one_key())),
        case("bytes of a token that is too large", 20_000, |size| {
            run(&"a".repeat(size), &one_key())
        }),
        case("keys of a key set", 50, |size| {
            run(&token(&json!({ "kid": "none" }), Map::new()), &keys(size))
        }),
        case("members of a key", 1_000, |size| {
            let mut set: Value = serde_json::from_str(&one_key()).unwrap();
            for member in 0..size {
                set["keys"][0][format!("m{member}")] = json!(member);
            }
            run(&token(&json!({ "kid": "none" }), Map::new()), &set.to_string())
        }),
        case("claims of an authorizer", 300, |size| {
            let claims = (0..size).map(|claim| (format!("claim{claim}"), json!("value")));
            authorized(Value::Object(claims.collect()))
        }),
        case("permissions of an authorizer", 500, |size| {
            authorized(json!({ "scope": "orders:item:list ".repeat(size) }))
        }),
        case("routes of a policy", 50, |size| async move {
            let path = |route: usize| format!("/r{route}/orders/{{id}}");
            let policy = (0..size).fold(AccessPolicy::new(), |policy, route| {
                policy.allow(Method::GET, &path(route), "orders:order:read")
            });
            let router = (0..size).fold(Router::new(), |router, route| {
                router.route(&path(route), get(async || "ok"))
            });
            let authenticator = Authenticator::new().authorizer_claims(&[]);
            let builder = Pipeline::builder(()).http(router).authenticator(authenticator);
            drop(builder.policy(policy).build().unwrap());
        }),
        case("sources of a policy", 100, |size| async move {
            let arn = |source: usize| format!("arn:aws:sqs:*:{source:012}:orders");
            let policy = (0..size).fold(AccessPolicy::new(), |policy, source| {
                policy.allow_source("orders", &arn(source))
            });
            let builder = Pipeline::builder(())
                .sqs("orders", async |_: SqsRecord| Ok::<(), Problem>(()))
                .policy(policy);
            let event = TestEvent::sqs("orders").record("1", "a kettle").to_string();
            processed(builder.build().unwrap(), event, |_: &Processed| {}).await;
        }),
        case("stars of a source", 50, |size| {
            let resource = "ab".repeat(size);
            let policy = AccessPolicy::new().allow_source(
                "orders*",
                &format!("arn:aws:sqs:*:*:orders{}c", "*a*b".repeat(size)),
            );
            let pipeline = Pipeline::builder(())
                .sqs("orders*", async |_: SqsRecord| Ok::<(), Problem>(()))
                .policy(policy)
                .build()
                .unwrap();
            let event = TestEvent::sqs(&format!("orders{resource}")).record("1", "a").to_string();
            processed(pipeline, event, |_: &Processed| {})
        }),
    ]
}

fn router() -> Router {
    async fn whoami(invocation: Invocation) -> Result<String, Problem> {
        Ok(invocation.caller().await?.subject.clone())
    }

    Router::new().route("/me", get(whoami))
}

/// A request with this token, whose signature is wrong, and a key set that is fetched for it.
fn run(token: &str, key_set: &str) -> impl Future<Output = ()> + use<> {
    let url = serve(200, "application/json", key_set.to_owned());
    let keys =
        KeySet::new(&format!("{url}/jwks")).issuer("https://login.example/").audience("orders");
    let authenticator = Authenticator::new().keys(keys);
    let pipeline =
        Pipeline::builder(()).http(router()).authenticator(authenticator).build().unwrap();
    let event = TestEvent::get("/me").header("authorization", &format!("Bearer {token}"));
    processed(pipeline, event.to_string(), |processed| {
        assert_eq!(processed.status.unwrap(), 401, "{:?}", processed.cause);
    })
}

/// A request that an authorizer has let through with these claims, to a route that needs a permission.
fn authorized(mut claims: Value) -> impl Future<Output = ()> {
    claims["sub"] = json!("alice");
    let policy = AccessPolicy::new().allow(Method::GET, "/me", "orders:order:read");
    let authenticator = Authenticator::new().authorizer_claims(&[]);
    let builder = Pipeline::builder(()).http(router()).authenticator(authenticator);
    let pipeline = builder.policy(policy).build().unwrap();
    let event = TestEvent::get("/me").authorizer(json!({ "jwt": { "claims": claims } }));
    processed(pipeline, event.to_string(), |processed| {
        assert_eq!(processed.status.unwrap(), 403, "{:?}", processed.cause);
    })
}

/// A token whose signature is wrong.
fn token(header: &Value, mut claims: Map<String, Value>) -> String {
    let mut header = header.clone();
    header["alg"] = json!("ES256");
    claims.insert("iss".to_owned(), json!("https://login.example/"));
    let encode = |json: &[u8]| URL_SAFE_NO_PAD.encode(json);
    let (header, claims) = (header.to_string(), Value::Object(claims).to_string());
    let token =
        format!("{}.{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()), encode(&[1; 64]));
    assert!(token.len() <= 16_384, "{}", token.len());
    token
}

/// The public key of RFC 7517, appendix A.1.
fn one_key() -> String {
    json!({ "keys": [{
        "kty": "EC", "crv": "P-256", "kid": "one",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    }] })
    .to_string()
}

fn keys(size: usize) -> String {
    let modulus = URL_SAFE_NO_PAD.encode([0xff; 256]);
    let key =
        |kid: usize| json!({ "kty": "RSA", "kid": kid.to_string(), "n": modulus, "e": "AQAB" });
    json!({ "keys": (0..size).map(key).collect::<Vec<_>>() }).to_string()
}
