//! An issuer in this process. Its keys are generated for the test run, and the test sets its replies.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair, RsaPublicKeyComponents},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// A 1,024-bit key that is used nowhere else. One token in the rows is signed with it.
pub(crate) const WEAK_MODULUS: &str = "xMzi-LrGb6kFvIjkfrxhKcnNWDINqaZ4y76V_5iGc-0TeryLhR15X5QMCFBB4nTbfe42tFDS3gNbaUJa0Aql_Ocd-DqrBiAD9bYw6NY13yX24wKa5yoXutKLH-7kPcxDhJgmO4Gp-qJ14sescE-Qn4xbjdzyKJhZzVrjzhe8JIU";

/// A modulus of 2,048 bits from a chip with the ROCA fault: `mod03` in the tests of its discoverers' detector,
/// github.com/crocs-muni/roca.
pub(crate) const ROCA_MODULUS: &str = "\
    nc10IOQgwnCmgGDri1qnRXqfZkj4b6_tJ3XMH3muli8eY_G55RxV-epv3HMy6bAFjJ_y6x_ImFUCnPaq_iHmif6zis\
    n_sS8c43G7XQ6armQWGrznS0JEv2jx7bRBH3VqCXyJKcFHQCReo1X4My0ao2u1DH3LRQXajeAuTlPTj43wYJfadSTf\
    Dfk9tI6sjMSvLToWJX6ysq3Ka6Rk5ZdPqSVQ0xsbq_Fh52ktALhuPdiG7KtKv74aj4zCY_9K9VzbRfQkmlGTkl9emD\
    12LwtoAJQ-sCZ7CPQu0xHOH1yG6svIzk08t6L-4e9WQUI6HPQRTl7PUANKYKQSUjr55vSqEQ";

/// Generating keys is slow, so it is done once.
pub(crate) static KEYS: LazyLock<TestKeys> = LazyLock::new(TestKeys::generate);

pub(crate) struct TestKeys {
    pub(crate) rsa: RsaKeyPair,
    pub(crate) other_rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

impl TestKeys {
    fn generate() -> Self {
        Self {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            other_rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            p256: EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            p384: EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap(),
            ed: Ed25519KeyPair::generate().unwrap(),
        }
    }

    /// Signs `text` with the algorithm or mistake that `by` names.
    pub(crate) fn sign(&self, by: &str, text: &str) -> Vec<u8> {
        let random = SystemRandom::new();
        let rsa = |key: &RsaKeyPair, encoding: &'static dyn signature::RsaEncoding| {
            let mut made = vec![0; key.public_modulus_len()];
            key.sign(encoding, &random, text.as_bytes(), &mut made).unwrap();
            made
        };
        let ecdsa =
            |key: &EcdsaKeyPair| key.sign(&random, text.as_bytes()).unwrap().as_ref().to_vec();
        match by {
            "RS256" => rsa(&self.rsa, &signature::RSA_PKCS1_SHA256),
            "RS512" => rsa(&self.rsa, &signature::RSA_PKCS1_SHA512),
            "PS256" => rsa(&self.rsa, &signature::RSA_PSS_SHA256),
            "RS256 by another key" => rsa(&self.other_rsa, &signature::RSA_PKCS1_SHA256),
            "ES256" => ecdsa(&self.p256),
            "ES384" => ecdsa(&self.p384),
            "EdDSA" => self.ed.sign(text.as_bytes()).as_ref().to_vec(),
            "HS256 with the public key" => {
                let key =
                    aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &self.public_der());
                aws_lc_rs::hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
            }
            "zeros" => vec![0; 64],
            "nothing" => Vec::new(),
            other => panic!("no way to sign by {other:?}"),
        }
    }

    pub(crate) fn public_der(&self) -> Vec<u8> {
        self.rsa.public_key().as_ref().to_vec()
    }

    /// The key set that the issuer publishes, with some unusable keys.
    pub(crate) fn jwks(&self) -> Value {
        let rsa = self.public_rsa("rsa");
        let with = |kid: &str, member: &str, value: &str| {
            let mut key = rsa.clone();
            (key["kid"], key[member]) = (json!(kid), json!(value));
            key
        };
        let curve = |kid: &str, name: &str, key: &EcdsaKeyPair| {
            let point = &key.public_key().as_ref()[1..];
            let (x, y) = point.split_at(point.len() / 2);
            json!({ "kty": "EC", "kid": kid, "crv": name, "x": encode(x), "y": encode(y) })
        };
        json!({ "keys": [
            rsa,
            with("rs256-only", "alg", "RS256"),
            with("for-encryption", "use", "enc"),
            curve("ec", "P-256", &self.p256),
            curve("ec384", "P-384", &self.p384),
            { "kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": encode(self.ed.public_key().as_ref()) },
            { "kty": "RSA", "kid": "weak", "n": WEAK_MODULUS, "e": "AQAB" },
            { "kty": "oct", "kid": "shared", "k": encode(self.public_der()) },
        ] })
    }

    /// The key of `ES256` as a load balancer's region publishes it.
    pub(crate) fn p256_pem(&self) -> String {
        // The point begins with a 4. The 27 bytes up to and including it are a whole number of base64
        // characters.
        let coordinates = &self.p256.public_key().as_ref()[1..];
        let algorithm_and_curve = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE";
        let base64 = format!("{algorithm_and_curve}{}", STANDARD.encode(coordinates));
        let (first, second) = base64.split_at(64);
        format!("-----BEGIN PUBLIC KEY-----\n{first}\n{second}\n-----END PUBLIC KEY-----\n")
    }

    /// One key, under the name `kid`.
    pub(crate) fn public_rsa(&self, kid: &str) -> Value {
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(self.rsa.public_key());
        json!({ "kty": "RSA", "kid": kid, "n": encode(&public.n), "e": encode(&public.e) })
    }
}

pub(crate) fn modulus(key: &RsaKeyPair) -> Vec<u8> {
    RsaPublicKeyComponents::<Vec<u8>>::from(key.public_key()).n
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The reply for a path.
#[derive(Clone)]
pub(crate) enum Reply {
    Json(Value),
    Text(String),
    Status(u16),
    Redirect(String),
    /// These bytes, then the connection ends.
    Bytes(Vec<u8>),
    Late(Duration, Value),
    /// The connection ends without a reply.
    Cut(Duration),
    Never,
}

/// A server on loopback that records its requests.
#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) origin: String,
    replies: Arc<Mutex<HashMap<String, Reply>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = Self {
            origin: format!("http://{}", listener.local_addr().unwrap()),
            replies: Arc::default(),
            requests: Arc::default(),
        };
        let server = provider.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(server.clone().answer(stream));
            }
        });
        provider.reply("/jwks", Reply::Json(KEYS.jwks()));
        provider
    }

    pub(crate) fn reply(&self, path: &str, reply: Reply) {
        self.replies.lock().unwrap().insert(path.to_owned(), reply);
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// The heads of the requests for `path`.
    pub(crate) fn requests(&self, path: &str) -> Vec<String> {
        let line = format!("GET {path} ");
        self.requests
            .lock()
            .unwrap()
            .iter()
            .filter(|head| head.starts_with(&line))
            .cloned()
            .collect()
    }

    async fn answer(self, mut stream: tokio::net::TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        self.requests.lock().unwrap().push(head);
        let reply = self.replies.lock().unwrap().get(&path).cloned();
        let (status, more, body) = match reply.unwrap_or(Reply::Status(404)) {
            Reply::Json(json) => (200, String::new(), json.to_string()),
            Reply::Text(text) => (200, String::new(), text),
            Reply::Status(status) => (status, String::new(), String::new()),
            Reply::Redirect(to) => (302, format!("location: {to}\r\n"), String::new()),
            Reply::Late(after, json) => {
                tokio::time::sleep(after).await;
                (200, String::new(), json.to_string())
            }
            Reply::Bytes(bytes) => {
                // The client may close the connection before it has read everything.
                let _ = stream.write_all(&bytes).await;
                return;
            }
            Reply::Cut(after) => return tokio::time::sleep(after).await,
            Reply::Never => std::future::pending().await,
        };
        let reply = format!(
            "HTTP/1.1 {status} Set\r\n{more}content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let _ = stream.write_all(reply.as_bytes()).await;
    }
}
