//! An HTTPS server on loopback with a certificate from the authority of the tests.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::env;

/// The status and the JSON that a request gets whose head, in lower case, is this.
type Respond = fn(&str) -> (&'static str, &'static str);

/// Serves until the test ends, and returns the URL.
pub(crate) fn serve(respond: Respond) -> String {
    serve_after(Duration::ZERO, respond)
}

/// The same, where each connection takes this long before its handshake begins.
pub(crate) fn serve_after(delay: Duration, respond: Respond) -> String {
    let tls = env::tls();
    let certificates = CertificateDer::pem_file_iter(tls.join("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(tls.join("server-key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(certificates.map(Result::unwrap).collect(), key)
    .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let url = format!("https://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            thread::spawn(move || {
                thread::sleep(delay);
                answer(client, config, respond)
            });
        }
    });
    url
}

/// Answers requests until the client closes the connection.
fn answer(client: TcpStream, config: Arc<ServerConfig>, respond: Respond) -> Option<()> {
    let session = ServerConnection::new(config).ok()?;
    let mut stream = BufReader::new(StreamOwned::new(session, client));
    loop {
        let (mut length, mut head) = (0, String::new());
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            head += &format!("{line}\n");
        }
        stream.read_exact(&mut vec![0; length]).ok()?;
        let (status, body) = respond(&head);
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.get_mut().write_all(answer.as_bytes()).ok()?;
    }
}
