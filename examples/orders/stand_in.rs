//! Stand-ins for the identity provider and the warehouse, so that the example runs on one machine. They check
//! no credentials: do not deploy them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::{
    Form, Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    routing::{get, post},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The audience of every token that the provider issues.
pub(crate) const AUDIENCE: &str = "orders";

/// A warehouse that takes reservations and payments from every caller with a token of the provider.
pub(crate) struct Warehouse {
    pub(crate) url: String,
}

/// An identity provider with the client credentials grant (RFC 6749, section 4.4) and a key set.
pub(crate) struct IdentityProvider {
    pub(crate) issuer: String,
    signer: Arc<Signer>,
}

impl IdentityProvider {
    pub(crate) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let issuer = format!("http://{}", listener.local_addr()?);
        let signer = Arc::new(Signer::new(issuer.clone()).map_err(std::io::Error::other)?);
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(async |State(signer): State<Arc<Signer>>| Json(signer.jwks())))
            .route("/token", post(token))
            .with_state(Arc::clone(&signer));
        serve(listener, routes);
        Ok(Self { issuer, signer })
    }

    /// A name that no other provider on this machine has.
    pub(crate) fn name(&self) -> String {
        format!("stand-in-{}", self.issuer.rsplit(':').next().unwrap_or_default())
    }

    /// A caller's token that is valid for five minutes.
    pub(crate) fn token(&self) -> String {
        self.signer.sign("customer-7", CALLER_SCOPE, Duration::ZERO)
    }

    /// A caller's token that expired an hour ago.
    pub(crate) fn expired_token(&self) -> String {
        self.signer.sign("customer-7", CALLER_SCOPE, Duration::from_secs(3_900))
    }
}

const CALLER_SCOPE: &str =
    "orders:order:read orders:order:list orders:order:place orders:order:pay";

impl Warehouse {
    pub(crate) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let routes = Router::new()
            .route("/stock/{sku}", get(stock))
            .route("/reservations", post(reserve))
            .route("/payments", post(charge))
            .with_state(Arc::default());
        serve(listener, routes);
        Ok(Self { url })
    }
}

fn serve(listener: TcpListener, routes: Router) {
    tokio::spawn(async move { axum::serve(listener, routes).await });
}

struct Signer {
    issuer: String,
    key: EncodingKey,
    jwk: Value,
    serial: AtomicU32,
}

impl Signer {
    fn new(issuer: String) -> Result<Self, aws_lc_rs::error::Unspecified> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        // An uncompressed point: 0x04, x, y (SEC 1, 2.3.3).
        let point = pair.public_key().as_ref();
        let (x, y) = point.get(1..).unwrap_or_default().split_at(32);
        let (x, y) = (BASE64URL.encode(x), BASE64URL.encode(y));
        let jwk = json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "stand-in", "x": x, "y": y});
        let key = EncodingKey::from_ec_der(pair.to_pkcs8v1()?.as_ref());
        Ok(Self { issuer, key, jwk, serial: AtomicU32::new(0) })
    }

    fn jwks(&self) -> Value {
        json!({"keys": [self.jwk]})
    }

    /// A token that was issued `ago`, with a lifetime of five minutes.
    fn sign(&self, subject: &str, scope: &str, ago: Duration) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let issued = now.saturating_sub(ago).as_secs();
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some("stand-in".to_owned());
        let claims = json!({
            "iss": self.issuer, "sub": subject, "aud": AUDIENCE, "scope": scope,
            "iat": issued, "exp": issued + 300,
            "jti": self.serial.fetch_add(1, Ordering::Relaxed).to_string(),
        });
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap_or_default()
    }
}

async fn discovery(State(signer): State<Arc<Signer>>) -> Json<Value> {
    let issuer = &signer.issuer;
    Json(json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "grant_types_supported": ["client_credentials"],
    }))
}

#[derive(serde::Deserialize)]
struct TokenRequest {
    grant_type: String,
}

async fn token(
    State(signer): State<Arc<Signer>>,
    headers: HeaderMap,
    Form(request): Form<TokenRequest>,
) -> Result<Json<Value>, (StatusCode, Json<Value>)> {
    if request.grant_type != "client_credentials" {
        return Err((StatusCode::BAD_REQUEST, Json(json!({"error": "unsupported_grant_type"}))));
    }
    if !headers.contains_key(AUTHORIZATION) {
        return Err((StatusCode::UNAUTHORIZED, Json(json!({"error": "invalid_client"}))));
    }
    let token = signer.sign("orders-function", "warehouse", Duration::ZERO);
    Ok(Json(json!({"access_token": token, "token_type": "Bearer", "expires_in": 300})))
}

async fn stock(headers: HeaderMap, Path(sku): Path<String>) -> Result<Json<Value>, StatusCode> {
    authorised(&headers)?;
    Ok(Json(json!({"sku": sku, "in_stock": 42})))
}

async fn reserve(
    headers: HeaderMap,
    Json(order): Json<Value>,
) -> Result<(StatusCode, Json<Value>), StatusCode> {
    authorised(&headers)?;
    let reserved =
        json!({"reservation": "r-1", "sku": order.get("sku"), "quantity": order.get("quantity")});
    Ok((StatusCode::CREATED, Json(reserved)))
}

/// Charges a payment. Each charge has its own receipt, and the request needs an `Idempotency-Key`.
async fn charge(
    State(charged): State<Arc<AtomicU32>>,
    headers: HeaderMap,
    Json(payment): Json<Value>,
) -> Result<(StatusCode, Json<Value>), StatusCode> {
    authorised(&headers)?;
    if !headers.contains_key("idempotency-key") {
        return Err(StatusCode::BAD_REQUEST);
    }
    let receipt = format!("p-{}", charged.fetch_add(1, Ordering::Relaxed) + 1);
    Ok((StatusCode::CREATED, Json(json!({"receipt": receipt, "amount": payment.get("amount")}))))
}

fn authorised(headers: &HeaderMap) -> Result<(), StatusCode> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    match bearer {
        Some(value) if value.starts_with("Bearer ") => Ok(()),
        _ => Err(StatusCode::UNAUTHORIZED),
    }
}
