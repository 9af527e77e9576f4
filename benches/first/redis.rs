//! The client of Redis alone, with the steps of ours: the authority, the handshake, the login, and a read.

use std::sync::Arc;

use redis::{AsyncConnectionConfig, RedisConnectionInfo, aio::MultiplexedConnection};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

use crate::side::{NAME, reached, variable};

/// With a URL such as `rediss://USER:PASSWORD@127.0.0.1:PORT?ca=PATH`, whose user may read `funcify-test:*`.
pub(crate) async fn bare() {
    let url = Url::parse(&variable("FUNCIFY_BACKEND")).expect("expected a URL");
    let (_, ca) = url.query_pairs().find(|(name, _)| name == "ca").expect("expected ca=");
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(&*ca).expect("expected a file");
    for certificate in certificates {
        roots.add(certificate.expect("expected a certificate")).expect("expected an authority");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = tls.expect("expected versions").with_root_certificates(roots).with_no_client_auth();
    reached();
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
    read.arg(format!("funcify-test:circuit:{NAME}")).arg("id");
    let found: Vec<Option<String>> = read.query_async(&mut connection).await.expect("an answer");
    assert_eq!(found, [None]);
    reached();
    driver.abort();
}
