//! The servers that `tests/run` has started answer. If these tests pass, no other test fails because of a server.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use url::Url;

use crate::support::idp::{self, http};
use crate::support::{env, redis};

#[tokio::test]
async fn redis_answers() {
    let url = Url::parse(&env::redis()).unwrap();

    let answer = redis::command(address(&url), &["PING"]).await.unwrap();

    let asks_for_a_password = answer.starts_with("-NOAUTH");
    assert!(answer == "+PONG" || asks_for_a_password, "{answer}");
}

#[tokio::test]
async fn valkey_answers_and_is_not_redis() {
    let url = Url::parse(&env::valkey()).unwrap();
    let info = redis::command(address(&url), &["INFO", "server"]).await.unwrap();
    assert!(info.contains("valkey_version:8."), "{info}");
}

#[test]
#[cfg_attr(own_redis_tls, ignore = "the Redis with TLS is your own, and its URL has no ca=PATH")]
fn redis_with_tls_gives_its_user_the_tests_prefix_only() {
    let url = Url::parse(&env::redis_tls()).unwrap();
    let (_, ca) = url.query_pairs().find(|(name, _)| name == "ca").unwrap();
    let mut redis = tls(address(&url), Path::new(ca.as_ref()));

    let password =
        percent_encoding::percent_decode_str(url.password().unwrap()).decode_utf8().unwrap();
    assert_eq!(say(&mut redis, &["AUTH", url.username(), &password]), "+OK");
    let script = "redis.call('HSET', KEYS[1], 'id', '1') redis.call('PEXPIRE', KEYS[1], 1000) return redis.call('HSTRLEN', KEYS[1], 'id')";
    assert_eq!(say(&mut redis, &["EVAL", script, "1", "funcify-test:servers"]), ":1");
    assert!(say(&mut redis, &["EVAL", script, "1", "another:servers"]).contains("NOPERM"));
    assert!(say(&mut redis, &["KEYS", "*"]).contains("NOPERM"));
}

#[tokio::test]
#[cfg_attr(own_redis_cluster, ignore = "the Redis Cluster is your own")]
async fn the_cluster_is_complete() {
    let url = env::redis_cluster();
    let nodes = url.split_once("://").unwrap().1;
    for node in nodes.split(',') {
        let state = redis::command(node.parse().unwrap(), &["CLUSTER", "INFO"]).await.unwrap();
        assert!(state.contains("cluster_state:ok") && state.contains("cluster_size:3"), "{state}");
    }
}

#[tokio::test]
#[cfg_attr(own_dynamodb, ignore = "DynamoDB is your own")]
async fn dynamodb_is_ready() {
    assert!(env::dynamodb().starts_with("dynamodb://"));
    is_ready("DYNAMODB").await;
}

#[tokio::test]
#[cfg_attr(own_ssm, ignore = "SSM is your own")]
async fn ssm_and_kms_are_ready() {
    assert!(env::ssm().starts_with("ssm:///"));
    is_ready("SSM").await;
    is_ready("KMS").await;
}

async fn is_ready(service: &str) {
    let url = env::aws_endpoint(service);
    let status = http().get(format!("{url}/_ministack/ready")).send().await.unwrap().status();
    assert_eq!(status, 200, "{service}");
}

#[tokio::test]
async fn the_identity_provider_describes_itself_and_counts_its_grants() {
    let discovery = idp::get("/.well-known/openid-configuration").await;
    assert_eq!(discovery["issuer"], env::idp());
    let before = idp::grants("post-servers").await;

    let form = [("client_id", "post-servers"), ("client_secret", &env::idp_secret())];
    let token = granted(&discovery, &form).await;

    assert_eq!(token["expires_in"], 60);
    assert_eq!(idp::grants("post-servers").await, before + 1);
}

#[tokio::test]
async fn the_identity_provider_accepts_clients_that_sign_with_their_key() {
    let discovery = idp::get("/.well-known/openid-configuration").await;
    let rsa = EncodingKey::from_rsa_pem(&fs::read(env::idp_rsa_key()).unwrap()).unwrap();
    let ec = EncodingKey::from_ec_pem(&fs::read(env::idp_ec_key()).unwrap()).unwrap();

    for (client, algorithm, key) in
        [("rsa-servers", Algorithm::RS256, rsa), ("ec-servers", Algorithm::ES256, ec)]
    {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let (seconds, jti) = (now.as_secs(), now.as_nanos().to_string());
        let claims = json!({
            "iss": client, "sub": client, "aud": env::idp(), "iat": seconds, "exp": seconds + 60, "jti": jti,
        });
        let assertion = jsonwebtoken::encode(&Header::new(algorithm), &claims, &key).unwrap();
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        granted(&discovery, &[("client_assertion_type", kind), ("client_assertion", &assertion)])
            .await;
    }
}

/// Requests a token for a minute with these credentials.
async fn granted(discovery: &Value, proof: &[(&str, &str)]) -> Value {
    let resource = idp::resource("opaque", 60);
    let mut form = vec![("grant_type", "client_credentials"), ("resource", resource.as_str())];
    form.extend(proof);
    let url = discovery["token_endpoint"].as_str().unwrap();
    let response = http().post(url).form(&form).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.json().await.unwrap()
}

fn address(url: &Url) -> SocketAddr {
    url.socket_addrs(|| Some(6379)).unwrap()[0]
}

fn tls(address: SocketAddr, ca: &Path) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::IpAddress(address.ip().into());
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(connection, TcpStream::connect(address).unwrap())
}

fn say(redis: &mut (impl Read + Write), words: &[&str]) -> String {
    redis.write_all(redis::encode(words).as_bytes()).unwrap();
    let mut reply = [0; 4096];
    let read = redis.read(&mut reply).unwrap();
    String::from_utf8_lossy(&reply[..read]).trim_end().to_owned()
}
