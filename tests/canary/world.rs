//! The services around the fleet, and the secrets that they exchange with it.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use serde_json::{Value, json};

use crate::support::{canary::Canary, env, http};

/// Every encoding changes it, and it fits into a header.
pub(super) const TOKEN: &str = "t0k3n/c4n4ry~of+the{fleet}?2YotnFZFEjr1zCsicMWpAA==";
/// It fits into an environment variable.
pub(super) const SECRET: &str = "s3cr3t c4n4ry%of+the/client&\"x\"=ü!";
/// The key of Redis, which has a place in a URL.
pub(super) const PASSWORD: &str = "p4ssw0rd-c4n4ry-of-redis-8KxYw";
/// 32 bytes.
const SEAL_KEY: &[u8; 32] = b"s3al-c4n4ry-0123456789abcdef-XYZ";

const AUDIENCE: &str = "orders";

pub(super) struct World {
    /// The base URL of all services.
    pub(super) url: String,
    /// The token of a caller, which the key set verifies.
    pub(super) jwt: String,
    /// The PEM file of the key with which the client proves its identity.
    pub(super) key: PathBuf,
    /// The assertions that the client has sent.
    assertions: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
struct Services {
    key_set: Value,
    assertions: Arc<Mutex<Vec<String>>>,
}

impl World {
    pub(super) async fn start() -> Self {
        let key = env::idp_ec_key();
        let signer = EncodingKey::from_ec_pem(&fs::read(&key).unwrap()).unwrap();
        let mut jwk = Jwk::from_encoding_key(&signer, Algorithm::ES256).unwrap();
        jwk.common.key_id = Some("one".to_owned());
        let assertions = Arc::<Mutex<Vec<String>>>::default();
        let services =
            Services { key_set: json!({ "keys": [jwk] }), assertions: Arc::clone(&assertions) };
        let router = Router::new()
            .route("/token", post(grant))
            .route("/refusing/token", post(refuse))
            .route("/garbled/token", post(garble))
            .route("/jwks", get(async |State(services): State<Services>| Json(services.key_set)))
            .route("/stock/{sku}", get(stock))
            .route("/reservations", post(reserve))
            .with_state(services);
        let url = http::serve(router).await;
        let jwt = sign(&signer, &url);
        Self { url, jwt, key, assertions }
    }

    /// The value of `FUNCIFY_SEAL_KEYS`.
    pub(super) fn seal_keys() -> String {
        format!("one:{}", STANDARD.encode(SEAL_KEY))
    }

    pub(super) fn token(&self) -> Canary {
        Canary::new("token", TOKEN)
    }

    /// Every secret that must not be seen.
    pub(super) fn canaries(&self) -> Vec<Canary> {
        let pem = fs::read_to_string(&self.key).unwrap();
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(body).unwrap();
        let (_, signature) = self.jwt.rsplit_once('.').unwrap();
        let mut canaries = vec![
            self.token(),
            Canary::new("client secret", SECRET),
            Canary::new("password", PASSWORD),
            Canary::of_bytes("seal key", SEAL_KEY),
            // A key of P-256 in PKCS#8 has its secret in the bytes from 36 on.
            Canary::of_bytes("private key", &der[36..68]),
            Canary::new("caller's token", &self.jwt),
            Canary::new("signature of the caller's token", signature),
        ];
        let assertions = self.assertions.lock().unwrap();
        canaries.extend(assertions.iter().map(|assertion| Canary::new("assertion", assertion)));
        canaries
    }
}

fn sign(signer: &EncodingKey, issuer: &str) -> String {
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some("one".to_owned());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({
        "iss": issuer, "sub": "customer-7", "aud": AUDIENCE, "exp": now + 3_600,
        "scope": "orders:order:read orders:order:list orders:order:place",
    });
    jsonwebtoken::encode(&header, &claims, signer).unwrap()
}

async fn grant(State(services): State<Services>, headers: HeaderMap, form: Bytes) -> Json<Value> {
    let form = url::form_urlencoded::parse(&form).into_owned();
    let assertion = form.into_iter().find(|(name, _)| name == "client_assertion");
    match assertion {
        Some((_, assertion)) => services.assertions.lock().unwrap().push(assertion),
        None => assert!(headers.contains_key(AUTHORIZATION), "a client must prove its identity"),
    }
    Json(json!({ "access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600 }))
}

/// Sends everything back that the client has sent.
async fn refuse(headers: HeaderMap, form: Bytes) -> (StatusCode, Json<Value>) {
    let text = format!("{SECRET} {headers:?} {}", String::from_utf8_lossy(&form));
    (StatusCode::UNAUTHORIZED, Json(json!({ "error": SECRET, "error_description": text })))
}

async fn garble() -> Json<Value> {
    Json(json!({ "access_token": { SECRET: TOKEN }, "token_type": SECRET, "expires_in": TOKEN }))
}

/// The stock of a kettle. Of a lamp it sends back the token in the place of JSON that makes sense.
async fn stock(headers: HeaderMap) -> Result<Json<Value>, (StatusCode, String)> {
    let sent = headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
    match sent {
        Some(token) if token == format!("Bearer {TOKEN}") => Ok(Json(json!({ "left": 3 }))),
        _ => Err((StatusCode::UNAUTHORIZED, format!("{TOKEN} {sent:?}"))),
    }
}

/// Fails, and sends the token back.
async fn reserve() -> (StatusCode, String) {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{{\"token\":\"{TOKEN}\"}}"))
}
