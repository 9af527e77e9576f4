//! What `tests/run` passes to the tests: where the servers are, how much to do, and the seed.

use std::env;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::OnceLock;

/// `redis://…`, a server of its own kind; also [`redis_tls`] and [`redis_cluster`].
pub(crate) fn redis() -> String {
    required("FUNCIFY_TEST_REDIS")
}

/// `rediss://user:password@…?ca=PATH`: the user may touch keys that begin with `funcify-test:`, with the rights of
/// `deploy/redis.acl` and no others.
pub(crate) fn redis_tls() -> String {
    required("FUNCIFY_TEST_REDIS_TLS")
}

/// `valkey://…`.
pub(crate) fn valkey() -> String {
    required("FUNCIFY_TEST_VALKEY")
}

/// A directory with `ca.pem`, and signed by it `server.pem` and `server-key.pem` for 127.0.0.1, and `client.pem` and
/// `client-key.pem` for a client.
pub(crate) fn tls() -> PathBuf {
    required("FUNCIFY_TEST_TLS").into()
}

/// `redis-cluster://h1:p1,h2:p2,h3:p3`.
pub(crate) fn redis_cluster() -> String {
    required("FUNCIFY_TEST_REDIS_CLUSTER")
}

/// `dynamodb://TABLE…`; the table need not exist.
pub(crate) fn dynamodb() -> String {
    required("FUNCIFY_TEST_DYNAMODB")
}

/// `ssm:///path…`.
pub(crate) fn ssm() -> String {
    required("FUNCIFY_TEST_SSM")
}

/// The local AWS server for this service (`DYNAMODB`, `SSM`, `KMS`). On the caller's own AWS there is none: a test that
/// needs it is ignored there.
pub(crate) fn aws_endpoint(service: &str) -> String {
    required(&format!("AWS_ENDPOINT_URL_{service}"))
}

/// The program `cargo-lambda`, and the port of its emulator, which runs the example `orders`.
pub(crate) fn cargo_lambda() -> (String, String) {
    (required("FUNCIFY_TEST_CARGO_LAMBDA"), required("FUNCIFY_TEST_CARGO_LAMBDA_PORT"))
}

/// The issuer's URL. Its clients are described in [`super::idp`].
pub(crate) fn idp() -> String {
    required("FUNCIFY_TEST_IDP")
}

/// The secret of the clients whose id begins with `basic` or `post`.
pub(crate) fn idp_secret() -> String {
    required("FUNCIFY_TEST_IDP_SECRET")
}

/// The private key (PEM) of the clients whose id begins with `rsa`. They sign with RS256.
pub(crate) fn idp_rsa_key() -> PathBuf {
    required("FUNCIFY_TEST_IDP_RSA_KEY").into()
}

/// The private key (PEM) of the clients whose id begins with `ec`. They sign with ES256.
pub(crate) fn idp_ec_key() -> PathBuf {
    required("FUNCIFY_TEST_IDP_EC_KEY").into()
}

/// The example `fleet_member` of version 0.1, which `tests/run --long` builds. A test that needs it is ignored without it.
pub(crate) fn old_member() -> PathBuf {
    required("FUNCIFY_TEST_OLD_MEMBER").into()
}

/// The seed of this run: `FUNCIFY_TEST_SEED`, or a fresh one. Printed once.
pub(crate) fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| {
        let seed = match env::var("FUNCIFY_TEST_SEED") {
            Ok(given) => given.parse().expect("FUNCIFY_TEST_SEED is a whole number"),
            Err(_) => RandomState::new().hash_one("seed"),
        };
        println!("seed: FUNCIFY_TEST_SEED={seed}");
        seed
    })
}

/// Whether the full counts were asked for: `tests/run --long`.
pub(crate) fn long() -> bool {
    env::var("FUNCIFY_TEST_LONG").is_ok_and(|value| value == "1")
}

/// The full count under `--long`, else a tenth of it, but at least one.
pub(crate) fn scaled(count: usize) -> usize {
    if long() { count } else { (count / 10).max(1) }
}

fn required(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set; start the servers: run tests/run"))
}
