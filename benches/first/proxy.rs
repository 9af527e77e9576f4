//! TLS before a server that has none.

use std::{net::SocketAddr, path::Path, sync::Arc, thread};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};
use tokio_rustls::TlsAcceptor;

/// Passes on what a client sends over TLS, until the program ends. `tls` is the folder with the certificate.
pub(crate) fn serve(tls: &Path, server: SocketAddr) -> SocketAddr {
    let certificates = CertificateDer::pem_file_iter(tls.join("server.pem"));
    let certificates = certificates.and_then(Iterator::collect).expect("expected a certificate");
    let key = PrivateKeyDer::from_pem_file(tls.join("server-key.pem")).expect("expected a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(certificates, key));
    let acceptor = TlsAcceptor::from(Arc::new(config.expect("expected TLS")));
    let runtime = Runtime::new().expect("expected a runtime");
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("expected a port");
    let address = listener.local_addr().expect("expected a port");
    thread::spawn(move || {
        runtime.block_on(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(acceptor.clone(), client, server));
            }
        });
    });
    address
}

/// An error of one connection is its client's to report.
async fn pass(acceptor: TlsAcceptor, client: TcpStream, server: SocketAddr) -> Option<()> {
    client.set_nodelay(true).ok()?;
    let mut client = acceptor.accept(client).await.ok()?;
    let mut server = TcpStream::connect(server).await.ok()?;
    server.set_nodelay(true).ok()?;
    copy_bidirectional(&mut client, &mut server).await.ok()?;
    Some(())
}
