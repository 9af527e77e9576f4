//! Good and hostile tokens. Each is a row in `tests/inputs/jwt.json` with its exact verdict.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::auth::authenticator::jwk::Keys;
use crate::auth::authenticator::jwt::Jwt;
use crate::auth::authenticator::tests::provider::{KEYS, encode};
use crate::auth::authenticator::tests::{NOW, Provider, authenticator, verdict};
use crate::auth::authenticator::{Identify, bearer};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    verdict: String,
    #[serde(default)]
    header: Option<Value>,
    #[serde(default)]
    claims: Option<Value>,
    #[serde(default)]
    without: Vec<String>,
    #[serde(default)]
    pad: usize,
    #[serde(default = "rs256")]
    sign: String,
    #[serde(default)]
    signature_of_good: bool,
    #[serde(default = "one_token", deserialize_with = "nullable")]
    authorization: Option<String>,
}

fn rs256() -> String {
    "RS256".to_owned()
}

#[expect(clippy::unnecessary_wraps, reason = "the type of the member")]
fn one_token() -> Option<String> {
    Some("Bearer {token}".to_owned())
}

fn nullable<'de, D: serde::Deserializer<'de>>(row: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(row)
}

fn rows() -> Vec<Row> {
    serde_json::from_str(include_str!("../../../../tests/inputs/jwt.json")).unwrap()
}

/// The claims of a good token.
pub(crate) fn good_claims() -> Map<String, Value> {
    let claims = json!({
        "iss": "https://login.example.com/", "aud": "orders", "sub": "alice", "scope": "openid orders:order:*",
        "iat": NOW - 10, "nbf": NOW - 10, "exp": NOW + 300,
    });
    claims.as_object().unwrap().clone()
}

/// A token with these claims, signed by the key `rsa`.
pub(crate) fn token(kid: &str, claims: &Value) -> String {
    let header = json!({ "alg": "RS256", "kid": kid, "typ": "JWT" }).to_string();
    let signed = format!("{}.{}", encode(header), encode(claims.to_string()));
    format!("{signed}.{}", encode(KEYS.sign("RS256", &signed)))
}

impl Row {
    fn authorization(&self) -> Option<String> {
        let text = |given: &Value| given.as_str().map_or_else(|| given.to_string(), str::to_owned);
        let header = self
            .header
            .as_ref()
            .map_or_else(|| r#"{"alg":"RS256","kid":"rsa","typ":"JWT"}"#.to_owned(), text);
        let claims = match &self.claims {
            Some(Value::String(raw)) => raw.clone(),
            patch => {
                let mut claims = good_claims();
                claims.extend(
                    patch
                        .iter()
                        .filter_map(|patch| patch.as_object())
                        .flatten()
                        .map(|(name, value)| (name.clone(), value.clone())),
                );
                claims.retain(|name, _| !self.without.contains(name));
                if self.pad > 0 {
                    claims.insert("pad".to_owned(), json!("x".repeat(self.pad)));
                }
                Value::Object(claims).to_string()
            }
        };
        let (header, claims) = (encode(header), encode(claims));
        let signed = match self.signature_of_good {
            true => format!("{header}.{}", encode(Value::Object(good_claims()).to_string())),
            false => format!("{header}.{claims}"),
        };
        let signature = encode(KEYS.sign(&self.sign, &signed));
        let token = format!("{header}.{claims}.{signature}");
        let filled = self.authorization.as_ref()?.replace("{token}", &token);
        let filled = filled.replace("{header}", &header).replace("{claims}", &claims);
        Some(filled.replace("{signature}", &signature))
    }
}

/// The rows with an `Authorization` header, and the header.
fn sent() -> Vec<(Row, String)> {
    let with_header = |row: Row| row.authorization().map(|authorization| (row, authorization));
    rows().into_iter().filter_map(with_header).collect()
}

/// The rows on which `judge` gives another verdict.
fn wrong(sent: &[(Row, String)], judge: impl Fn(&str) -> String) -> Vec<&str> {
    let wrong = sent.iter().filter(|(row, authorization)| judge(authorization) != row.verdict);
    wrong.map(|(row, _)| row.name.as_str()).collect()
}

#[tokio::test]
async fn every_token_gets_its_exact_verdict() {
    let provider = Provider::start().await;
    let authenticator = authenticator(&provider);
    let rows = rows();
    for row in &rows {
        let caller = authenticator.identify(row.authorization().as_deref(), None, None).await;
        assert_eq!(verdict(&caller), row.verdict, "{}", row.name);
    }
    let hostile = rows.iter().filter(|row| row.verdict != "allowed").count();
    assert!(hostile >= 60, "{hostile}");
    // No unknown key caused a second fetch.
    assert_eq!(provider.requests("/jwks").len(), 1);
}

/// Mutants: the same rows catch a verifier that omits one check.
#[test]
fn the_rows_catch_a_verifier_that_omits_a_check() {
    #[derive(Clone, Copy, PartialEq)]
    enum Omitted {
        Nothing,
        Type,
        Use,
        Audience,
        Issuer,
        Time,
        Subject,
        AllowList,
        Signature,
    }
    let keys = Keys::parse(KEYS.jwks().to_string().as_bytes()).unwrap();
    let now = funcify_core::Timestamp::from_millis(NOW * 1_000);
    let judge = |omitted: Omitted| {
        let keys = &keys;
        move |authorization: &str| {
            let result = (|| {
                use crate::auth::{Algorithm, Unauthenticated};
                let token = bearer::token(authorization)?.ok_or(Unauthenticated::Missing)?;
                let jwt = Jwt::parse(token)?;
                if omitted != Omitted::Issuer && jwt.issuer()? != "https://login.example.com/" {
                    return Err(Unauthenticated::Issuer);
                }
                if omitted != Omitted::Type {
                    jwt.check_type(None)?;
                }
                if omitted != Omitted::AllowList && !Algorithm::DEFAULT.contains(&jwt.algorithm) {
                    return Err(Unauthenticated::Algorithm);
                }
                let candidates = keys.candidates(jwt.kid.as_deref(), jwt.algorithm);
                if candidates.is_empty() {
                    return Err(Unauthenticated::Key);
                }
                if omitted != Omitted::Signature
                    && !candidates.into_iter().any(|key| jwt.is_signed_by(key))
                {
                    return Err(Unauthenticated::Signature);
                }
                if omitted != Omitted::Time {
                    jwt.check_times(now)?;
                }
                if omitted != Omitted::Audience {
                    jwt.check_audience("aud", &["orders".to_owned()])?;
                }
                if omitted != Omitted::Use {
                    jwt.check_use()?;
                }
                if omitted != Omitted::Subject {
                    jwt.subject()?;
                }
                Ok(())
            })();
            verdict(&result)
        }
    };
    let sent = sent();
    assert_eq!(wrong(&sent, judge(Omitted::Nothing)), [""; 0]);
    for (omitted, row) in [
        (Omitted::Type, "typ \"logout+jwt\""),
        (Omitted::Use, "cnf, the thumbprint of a certificate"),
        (Omitted::Use, "cnf, the thumbprint of a key (DPoP)"),
        (Omitted::Use, "events, as in a logout token"),
        (Omitted::Use, "nonce, as in an ID token"),
        (Omitted::Audience, "aud another"),
        (Omitted::Issuer, "iss another"),
        (Omitted::Time, "expired"),
        (Omitted::Subject, "sub missing"),
        (Omitted::AllowList, "alg known but not allowed, RS512"),
        (Omitted::Signature, "signature by another key"),
    ] {
        assert!(wrong(&sent, judge(omitted)).contains(&row), "{row}");
    }
}

/// Mutant: a verifier that takes the algorithm from the header, as many libraries did.
#[test]
fn the_rows_catch_a_verifier_whose_keys_are_not_bound_to_an_algorithm() {
    let naive = |authorization: &str| {
        let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
        let Ok(header) = jsonwebtoken::decode_header(token) else { return "Malformed".to_owned() };
        let public = KEYS.public_der();
        let key = match header.alg {
            jsonwebtoken::Algorithm::HS256 => jsonwebtoken::DecodingKey::from_secret(&public),
            _ => jsonwebtoken::DecodingKey::from_rsa_der(&public),
        };
        let mut validation = jsonwebtoken::Validation::new(header.alg);
        (validation.validate_exp, validation.validate_aud) = (false, false);
        match jsonwebtoken::decode::<Value>(token, &key, &validation) {
            Ok(_) => "allowed".to_owned(),
            Err(_) => "Signature".to_owned(),
        }
    };
    let sent = sent();
    let wrong: Vec<&str> = wrong(&sent, naive);
    for row in [
        "HS256 with the public key as the secret",
        "key bound to RS256, signed PS256",
        "jku \"https://evil.example/jwks\" in the header",
    ] {
        assert!(wrong.contains(&row), "{row}");
    }
}

/// Mutant: of two members with one name, the last one counts.
#[test]
fn the_rows_catch_a_parser_that_takes_the_last_of_two_members() {
    let last_wins = |authorization: &str| {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let claims = authorization.split('.').nth(1).unwrap_or_default();
        let claims = URL_SAFE_NO_PAD.decode(claims).unwrap_or_default();
        match serde_json::from_slice::<Map<String, Value>>(&claims) {
            Ok(_) => "allowed".to_owned(),
            Err(_) => "Malformed: the claims are not a JSON object".to_owned(),
        }
    };
    assert!(wrong(&sent(), last_wins).contains(&"sub twice"));
}

#[test]
fn no_token_with_one_changed_letter_is_accepted() {
    let keys = Keys::parse(KEYS.jwks().to_string().as_bytes()).unwrap();
    let accepted = |token: &str| {
        Jwt::parse(token).is_ok_and(|jwt| {
            let candidates = keys.candidates(jwt.kid.as_deref(), jwt.algorithm);
            candidates.into_iter().any(|key| jwt.is_signed_by(key))
        })
    };
    let good = token("rsa", &Value::Object(good_claims()));
    assert!(accepted(&good));
    for place in 0..good.len() {
        for letter in ["A", "B", "z", "_", ".", "="] {
            let changed = format!("{}{letter}{}", &good[..place], &good[place + 1..]);
            assert!(changed == good || !accepted(&changed), "{place} {letter}");
        }
        assert!(!accepted(&good[..place]), "cut at {place}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in ".*", header in ".*", claims in ".*") {
        let _ = bearer::token(&text).map(|token| token.map(|token| Jwt::parse(token).is_ok()));
        let token = format!("{}.{}.{}", encode(&header), encode(&claims), encode(&text));
        let _ = Jwt::parse(&token).is_ok();
        let _ = Keys::parse(text.as_bytes()).is_ok();
    }

    /// Any value in any member of the header or the claims gets a verdict.
    #[test]
    fn no_value_in_any_member_panics(number in proptest::num::f64::ANY, text in ".*", place in 0_usize..9) {
        let member = ["alg", "kid", "typ", "iss", "aud", "sub", "exp", "nbf", "iat"][place];
        for value in [json!(number), json!(text), json!([text, number]), json!({ &text: number })] {
            let mut header = json!({ "alg": "RS256", "kid": "rsa", "typ": "JWT" });
            let mut claims = Value::Object(good_claims());
            if place < 3 { header[member] = value } else { claims[member] = value }
            let token = format!("{}.{}.AAAA", encode(header.to_string()), encode(claims.to_string()));
            if let Ok(jwt) = Jwt::parse(&token) {
                let now = funcify_core::Timestamp::from_millis(NOW * 1_000);
                let _ = (jwt.issuer().is_ok(), jwt.check_times(now), jwt.subject().is_ok());
                let _ = (jwt.check_audience("aud", &[]), jwt.check_type(None), jwt.check_use());
            }
        }
    }
}
