//! Every error of a configuration in code names the method or field at fault, and the way out. Those of URLs and
//! variables are in `urls` and `environment`.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use funcify::api::TokenLayer;
use funcify::auth::KeySet;
use funcify::idempotency::IdempotencyPolicy;
use funcify::token::{ClientSecret, Endpoint, TokenGetterBuilder, TokenPolicy};
use funcify::{
    AccessPolicy, Api, Authenticator, CircuitBreaker, CircuitPolicy, ClientCredentials,
    Idempotency, Pipeline, Stores, TokenGetter,
};
use http::Method;

use super::{SECRET, in_one_line};

/// An error, the method or field that it must name, and the way out.
type Case = (Box<dyn Error>, &'static str, &'static str);

const NO_CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

fn getter_at(stores: &Stores, url: &str, client: &str) -> TokenGetterBuilder {
    let endpoint = Endpoint::TokenUrl(url.to_owned());
    let credentials = ClientCredentials::new(endpoint, client, ClientSecret::from(SECRET));
    TokenGetter::builder(credentials, Arc::clone(&stores.tokens))
}

fn getter(stores: &Stores) -> TokenGetterBuilder {
    getter_at(stores, "https://login.example/token", "warehouse")
}

fn error<T, E: Error + 'static>(result: Result<T, E>) -> Box<dyn Error> {
    Box::new(result.err().expect("the configuration is accepted"))
}

fn of_apis(stores: &Stores) -> Vec<Case> {
    let built = || getter(stores).build().unwrap();
    let api = || Api::new("warehouse", "https://warehouse.example").unwrap();
    vec![
        (error(Api::new("warehouse", "warehouse.example")), "`Api::new`", "expected a URL"),
        (
            error(Api::new("warehouse", "http://far.example")),
            "`Api::new`",
            "`Api::over_plain_http`",
        ),
        (error(Api::new("warehouse", "https://u:c4n4ry@far.example")), "`Api::new`", "user name"),
        (error(Api::new("warehouse", "https://far.example?a")), "`Api::new`", "without query"),
        (error(api().root_certificates(NO_CERTIFICATE)), "`root_certificates`", "certificate"),
        (error(TokenLayer::new(built(), ["https://far.example"])), "`TokenLayer::new`", "as in"),
        (error(TokenLayer::new(built(), [""; 0])), "`TokenLayer::new`", "at least one host"),
    ]
}

fn of_tokens(stores: &Stores) -> Vec<Case> {
    let at = |url, client| error(getter_at(stores, url, client).build());
    let with = |change: fn(&mut TokenPolicy)| {
        let mut policy = TokenPolicy::default();
        change(&mut policy);
        error(getter(stores).policy(policy).build())
    };
    vec![
        (at("login.example", "id"), "FUNCIFY_TOKEN_URL", "expected a URL"),
        (at("http://login.example", "id"), "`Endpoint::TokenUrl`", "only to a loopback host"),
        (at("https://login.example", " "), "FUNCIFY_CLIENT_ID", "expected an id"),
        (error(getter(stores).key("a b").build()), "FUNCIFY_TOKEN_KEY", "A-Z"),
        (
            error(getter(stores).root_certificates(NO_CERTIFICATE).build()),
            "`root_certificates`",
            "certificate",
        ),
        (
            with(|policy| policy.request_timeout = Duration::from_secs(9)),
            "`TokenPolicy::request_timeout`",
            "less than the lease",
        ),
        (
            with(|policy| policy.default_lifetime = Duration::ZERO),
            "`TokenPolicy::default_lifetime`",
            "1 second to 366 days",
        ),
        (
            with(|policy| policy.refresh_from = 2.0),
            "`TokenPolicy::refresh_from`",
            "from 0.1 to 0.95",
        ),
    ]
}

fn of_circuits(stores: &Stores) -> Vec<Case> {
    let circuit = |name: &str, change: fn(&mut CircuitPolicy)| {
        let mut policy = CircuitPolicy::default();
        change(&mut policy);
        error(CircuitBreaker::new(name, policy, Arc::clone(&stores.circuits)))
    };
    let too_long = Duration::from_secs(1_000_000);
    vec![
        (circuit("a b", |_| {}), "name", "A-Z"),
        (
            circuit("a", |policy| policy.open_duration = Duration::ZERO),
            "`open_duration`",
            "must be",
        ),
        (circuit("a", |policy| policy.call_timeout = Duration::ZERO), "`call_timeout`", "must be"),
        (circuit("a", |policy| policy.probes = 0), "`probes`", "must be"),
        (
            error(Idempotency::new("a b", Arc::clone(&stores.idempotency))),
            "`Idempotency::new`",
            "A-Z",
        ),
        (
            error({
                let idempotency = Idempotency::new("a", Arc::clone(&stores.idempotency)).unwrap();
                let mut policy = IdempotencyPolicy::default();
                policy.retention = too_long * 100;
                idempotency.policy(policy)
            }),
            "`Idempotency::policy`",
            "retention",
        ),
        (error(stores.clone().sealed(SECRET)), "seal key 1", "expected `id:base64`"),
    ]
}

fn of_pipelines() -> Vec<Case> {
    let pipeline = || Pipeline::builder(()).http(Router::new());
    let with = |key_set: KeySet| {
        error(pipeline().authenticator(Authenticator::new().keys(key_set)).build())
    };
    let key_set = || KeySet::new("https://login.example/keys").issuer("i").audience("a");
    let twice = Authenticator::new().keys(key_set()).keys(key_set());
    let policy = AccessPolicy::new().public(Method::GET, "/");
    vec![
        (error(pipeline().policy(policy).build()), "`.authenticator(…)`", "needs"),
        (error(pipeline().base_path("shop").build()), "`base_path`", "`/shop`"),
        (error(pipeline().http(Router::new()).build()), "`http`", "set twice"),
        (
            error(Pipeline::builder(()).layer(tower::layer::util::Identity::new()).build()),
            "`.http(router)`",
            "needs a router",
        ),
        (with(KeySet::new("https://login.example/keys").audience("a")), "`.issuer(…)`", "needs"),
        (with(KeySet::new("https://login.example/keys").issuer("i")), "`.audience(…)`", "needs"),
        (with(key_set().algorithms([])), "`.algorithms(…)`", "allows no"),
        (error(pipeline().authenticator(twice).build()), "`.keys(…)`", "remove one"),
        (
            with(KeySet::new("http://login.example/keys").issuer("i").audience("a")),
            "the key set",
            "only to a loopback host",
        ),
    ]
}

#[tokio::test]
async fn every_error_of_a_configuration_names_the_method_and_the_way_out() {
    let stores = Stores::from_url("memory:").await.unwrap();
    let cases = [of_apis(&stores), of_tokens(&stores), of_circuits(&stores), of_pipelines()];
    let wrong = cases.into_iter().flatten().filter_map(|(error, names, way)| {
        let text = in_one_line(&*error);
        let is_right = text.contains(names) && text.contains(way);
        (!is_right).then(|| format!("expected {names} and {way}: {text}"))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
