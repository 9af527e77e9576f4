//! Commands without any backend, on each kind of server.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use url::Url;

use crate::support::redis;

#[derive(Debug)]
pub(super) enum Wire {
    /// One node, or all of a cluster.
    Plain(Vec<SocketAddr>),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    pub(super) async fn to(url: &str) -> Self {
        let (scheme, nodes) = url.split_once("://").unwrap();
        if scheme != "rediss" {
            return Self::Plain(nodes.split(',').map(|node| node.parse().unwrap()).collect());
        }
        let mut tls = Self::Tls(Box::new(open(&Url::parse(url).unwrap())));
        let url = Url::parse(url).unwrap();
        assert_eq!(tls.say(&["AUTH", url.username(), url.password().unwrap()]).await, "+OK");
        tls
    }

    /// The reply as one line. An error other than a redirection fails the test.
    pub(super) async fn say(&mut self, words: &[&str]) -> String {
        let reply = match self {
            Self::Plain(nodes) => {
                let mut reply = String::new();
                for node in nodes {
                    reply = redis::command(*node, words).await.unwrap();
                    if !reply.starts_with("-MOVED") {
                        break;
                    }
                }
                reply
            }
            Self::Tls(stream) => {
                stream.write_all(redis::encode(words).as_bytes()).unwrap();
                let mut reply = [0; 4_096];
                let read = stream.read(&mut reply).unwrap();
                String::from_utf8_lossy(&reply[..read]).trim_end().to_owned()
            }
        };
        assert!(!reply.starts_with('-'), "{words:?}: {reply}");
        reply
    }
}

fn open(url: &Url) -> StreamOwned<ClientConnection, TcpStream> {
    let ca = url.query_pairs().find(|(name, _)| name == "ca").unwrap().1;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca.as_ref()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let address = url.socket_addrs(|| Some(6379)).unwrap()[0];
    let name = ServerName::IpAddress(address.ip().into());
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(connection, TcpStream::connect(address).unwrap())
}
