//! Tokens that must be refused, and those that must not, each with its exact verdict.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::auth::authenticator::jwk::Keys;
use crate::auth::authenticator::jwt::Jwt;
use crate::auth::authenticator::tests::provider::{KEYS, encode};
use crate::auth::authenticator::tests::{NOW, Provider, authenticator, verdict};
use crate::auth::authenticator::{Credentials, bearer};

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

#[expect(clippy::unnecessary_wraps, reason = "the row's own type")]
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

/// The rows whose header was sent, with it.
fn sent() -> Vec<(Row, String)> {
    let with_header = |row: Row| row.authorization().map(|authorization| (row, authorization));
    rows().into_iter().filter_map(with_header).collect()
}

/// The rows on which `judge` is wrong.
fn wrong(sent: &[(Row, String)], judge: impl Fn(&str) -> String) -> Vec<&str> {
    let wrong = sent.iter().filter(|(row, authorization)| judge(authorization) != row.verdict);
    wrong.map(|(row, _)| row.name.as_str()).collect()
}

#[tokio::test]
async fn every_hostile_token_gets_its_exact_verdict() {
    let provider = Provider::start().await;
    let authenticator = authenticator(&provider);
    let rows = rows();
    for row in &rows {
        let authorization = row.authorization();
        let credentials =
            Credentials { authorization: authorization.as_deref(), ..Credentials::default() };
        assert_eq!(
            verdict(&authenticator.identify(&credentials).await),
            row.verdict,
            "{}",
            row.name
        );
    }
    let hostile = rows.iter().filter(|row| row.verdict != "allowed").count();
    assert!(hostile >= 60, "{hostile}");
    // Not one of the unknown keys made us ask the issuer again.
    assert_eq!(provider.requests("/jwks").len(), 1);
}

/// Negative mutants: verifiers that leave one thing out, caught by the same rows.
#[test]
fn the_rows_catch_a_verifier_that_leaves_a_check_out() {
    #[derive(Clone, Copy, PartialEq)]
    enum LeftOut {
        Nothing,
        Audience,
        Issuer,
        Time,
        Subject,
        AllowList,
        Signature,
    }
    let keys = Keys::parse(KEYS.jwks().to_string().as_bytes()).unwrap();
    let now = funcify_core::Timestamp::from_millis(NOW * 1_000);
    let judge = |left_out: LeftOut| {
        let keys = &keys;
        move |authorization: &str| {
            let result = (|| {
                use crate::auth::{Algorithm, Unauthenticated};
                let token = bearer::token(authorization)?.ok_or(Unauthenticated::Missing)?;
                let jwt = Jwt::parse(token)?;
                if left_out != LeftOut::Issuer && jwt.issuer()? != "https://login.example.com/" {
                    return Err(Unauthenticated::Issuer);
                }
                if left_out != LeftOut::AllowList && !Algorithm::DEFAULT.contains(&jwt.algorithm) {
                    return Err(Unauthenticated::Algorithm);
                }
                let fitting = keys.fitting(jwt.kid.as_deref(), jwt.algorithm);
                if fitting.is_empty() {
                    return Err(Unauthenticated::Key);
                }
                if left_out != LeftOut::Signature
                    && !fitting.into_iter().any(|key| jwt.signed_by(key))
                {
                    return Err(Unauthenticated::Signature);
                }
                if left_out != LeftOut::Time {
                    jwt.timely(now)?;
                }
                if left_out != LeftOut::Audience {
                    jwt.meant_for("aud", &["orders".to_owned()])?;
                }
                if left_out != LeftOut::Subject {
                    jwt.subject()?;
                }
                Ok(())
            })();
            verdict(&result)
        }
    };
    let sent = sent();
    assert_eq!(wrong(&sent, judge(LeftOut::Nothing)), [""; 0]);
    for (left_out, row) in [
        (LeftOut::Audience, "aud another"),
        (LeftOut::Issuer, "iss another"),
        (LeftOut::Time, "expired"),
        (LeftOut::Subject, "sub missing"),
        (LeftOut::AllowList, "alg known but not allowed, RS512"),
        (LeftOut::Signature, "signature by another key"),
    ] {
        assert!(wrong(&sent, judge(left_out)).contains(&row), "{row}");
    }
}

/// Negative mutant: a verifier that believes the header which algorithm to use, as many did.
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

/// Negative mutant: of a member that stands twice, the last one counts.
#[test]
fn the_rows_catch_a_parser_that_takes_the_last_of_two_members() {
    let last_wins = |authorization: &str| {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let claims = authorization.split('.').nth(1).unwrap_or_default();
        let claims = URL_SAFE_NO_PAD.decode(claims).unwrap_or_default();
        match serde_json::from_slice::<Map<String, Value>>(&claims) {
            Ok(_) => "allowed".to_owned(),
            Err(_) => "Malformed: the claims are no JSON object".to_owned(),
        }
    };
    assert!(wrong(&sent(), last_wins).contains(&"sub twice"));
}

#[test]
fn no_token_with_a_single_letter_changed_is_believed() {
    let keys = Keys::parse(KEYS.jwks().to_string().as_bytes()).unwrap();
    let believed = |token: &str| {
        Jwt::parse(token).is_ok_and(|jwt| {
            let fitting = keys.fitting(jwt.kid.as_deref(), jwt.algorithm);
            fitting.into_iter().any(|key| jwt.signed_by(key))
        })
    };
    let good = token("rsa", &Value::Object(good_claims()));
    assert!(believed(&good));
    for place in 0..good.len() {
        for letter in ["A", "B", "z", "_", ".", "="] {
            let changed = format!("{}{letter}{}", &good[..place], &good[place + 1..]);
            assert!(changed == good || !believed(&changed), "{place} {letter}");
        }
        assert!(!believed(&good[..place]), "cut at {place}");
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

    /// Whatever stands in the places of a header and of the claims, it is a verdict.
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
                let _ = (jwt.issuer().is_ok(), jwt.timely(now), jwt.subject().is_ok());
                let _ = jwt.meant_for("aud", &[]);
            }
        }
    }
}
