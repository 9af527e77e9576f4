use std::{error::Error, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use funcify_core::{Timestamp, register::WriteId};
use serde_json::json;

use crate::token::authentication::Signer;

/// How long an assertion is valid: 60 s, which covers the request and some clock skew.
const LIFETIME: Duration = Duration::from_secs(60);

/// The client's assertion (RFC 7523 §3). Each one has a fresh `jti`, because a provider may refuse an
/// assertion that it has seen before.
pub(super) async fn assertion(
    signer: &dyn Signer,
    client_id: &str,
    audience: &str,
    now: Timestamp,
) -> Result<String, Box<dyn Error + Send + Sync>> {
    let mut header = json!({ "alg": signer.algorithm(), "typ": "JWT" });
    if let Some(header) = header.as_object_mut() {
        let others = signer.header().into_iter().filter(|(name, _)| name != "alg" && name != "typ");
        header.extend(others.map(|(name, value)| (name, value.into())));
    }
    let issued = now.as_millis() / 1_000;
    let claims = json!({
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": WriteId::random().to_string(),
        "iat": issued,
        "exp": (now + LIFETIME).as_millis() / 1_000,
    });
    let encode = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = signer.sign(message.as_bytes()).await?;
    Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
