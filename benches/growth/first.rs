//! The first answer of a process from a Redis with TLS: the configuration, the handshake, the login, and a read.

use std::sync::Arc;

use funcify_backend_redis::{RedisBackend, RedisConfig};
use funcify_core::{
    idempotency::IdempotencyRecord,
    register::{RecordKey, Register},
};
use redis::{AsyncConnectionConfig, RedisConnectionInfo, aio::MultiplexedConnection};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

use funcify_benches::case::Bench;

use crate::point::Point;

const CURVE: &str = "the first answer over TLS, Redis";

/// With `url` such as `rediss://USER:PASSWORD@127.0.0.1:PORT?ca=PATH`, whose user may read `funcify-test:*`.
pub(crate) fn points(bench: &Bench, url: &str) -> Vec<Point> {
    let ours = format!("{url}&prefix=funcify-test");
    let ours = async move || {
        let config = RedisConfig::parse(&ours).expect("expected the URL of a Redis");
        let redis = RedisBackend::new(config).expect("expected a backend");
        let key = RecordKey::of::<IdempotencyRecord>("bench-first".parse().expect("a name"));
        assert!(matches!(redis.read(&key).await, Ok(None)));
    };
    let url = Url::parse(url).expect("expected a URL");
    let theirs = async move || bare(&url).await;
    let point = |subject| Point::new(CURVE, 1, subject).by_median();
    vec![point(bench.subject(ours)), point(bench.subject(theirs)).of("bare client")]
}

/// The same steps with the client alone.
async fn bare(url: &Url) {
    let (_, ca) = url.query_pairs().find(|(name, _)| name == "ca").expect("expected ca=");
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(&*ca).expect("expected a file");
    for certificate in certificates {
        roots.add(certificate.expect("expected a certificate")).expect("expected an authority");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = tls.expect("expected versions").with_root_certificates(roots).with_no_client_auth();
    let address = url.socket_addrs(|| None).expect("expected an address")[0];
    let stream = TcpStream::connect(address).await.expect("expected a Redis");
    stream.set_nodelay(true).expect("expected a socket");
    let name = ServerName::IpAddress(address.ip().into());
    let stream =
        TlsConnector::from(Arc::new(tls)).connect(name, stream).await.expect("a handshake");
    let info = RedisConnectionInfo::default().set_skip_set_lib_name();
    let config = AsyncConnectionConfig::new();
    let connection = MultiplexedConnection::new_with_config(&info, Box::new(stream), config).await;
    let (mut connection, driver) = connection.expect("expected a connection");
    let driver = tokio::spawn(driver);
    let mut auth = redis::cmd("AUTH");
    auth.arg(url.username()).arg(url.password());
    let () = auth.query_async(&mut connection).await.expect("expected a login");
    // What the user of a function may do.
    let mut read = redis::cmd("HMGET");
    read.arg("funcify-test:idempotency:bench-first").arg("id");
    let found: Vec<Option<String>> = read.query_async(&mut connection).await.expect("an answer");
    assert_eq!(found, [None]);
    driver.abort();
}
