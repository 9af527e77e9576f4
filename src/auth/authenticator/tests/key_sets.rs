//! Several key sets: each has its own keys and its own rules.

use serde_json::json;

use crate::auth::authenticator::tests::provider::{KEYS, Reply, encode};
use crate::auth::authenticator::tests::{
    Authenticator, KeySet, NOW, Provider, clock, identify, key_set, token_of, tokens, verdict,
};
use crate::auth::authenticator::{Algorithm, Identify};

const STRICT: &str = "https://strict.example.com/";
const LOOSE: &str = "https://loose.example.com/";

/// A token of `issuer` with a claim of its own, signed with `algorithm` and the key `kid`.
fn token(issuer: &str, (claim, value): (&str, &str), (algorithm, kid): (&str, &str)) -> String {
    let claims = json!({
        "iss": issuer, "sub": "alice", "exp": NOW + 300, claim: value, "scp": "orders:order:read",
        "scope": "stock:item:read",
    });
    let header = json!({ "alg": algorithm, "kid": kid });
    let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    format!("{signed}.{}", encode(KEYS.sign(algorithm, &signed)))
}

/// Both key sets, in either order.
async fn in_both_orders(provider: &Provider) -> [Authenticator; 2] {
    let at = |issuer: &str| KeySet::new(&provider.url("/jwks")).issuer(issuer);
    let strict = || {
        let strict = at(STRICT).audience("orders").audience_claim("client_id");
        strict.algorithms([Algorithm::Es256]).permissions_claim("scp")
    };
    let loose = || at(LOOSE).audience("stock");
    let [one, other] = [Authenticator::new(), Authenticator::new()].map(|it| it.clock(clock()));
    [one.keys(strict()).keys(loose()), other.keys(loose()).keys(strict())]
}

#[tokio::test]
async fn each_key_set_keeps_its_own_rules_in_any_order() {
    let provider = Provider::start().await;
    let (es256, rs256) = (("ES256", "ec"), ("RS256", "rsa"));
    for authenticator in in_both_orders(&provider).await {
        assert_eq!(authenticator.faults(), []);
        for (issuer, audience, signed_by, expected) in [
            (STRICT, ("client_id", "orders"), es256, "allowed"),
            (STRICT, ("client_id", "orders"), rs256, "Algorithm"),
            (STRICT, ("client_id", "stock"), es256, "Audience"),
            (STRICT, ("aud", "orders"), es256, "Audience"),
            (STRICT, ("aud", "stock"), es256, "Audience"),
            (LOOSE, ("aud", "stock"), es256, "allowed"),
            (LOOSE, ("aud", "stock"), rs256, "allowed"),
            (LOOSE, ("aud", "orders"), rs256, "Audience"),
            (LOOSE, ("client_id", "orders"), rs256, "Audience"),
            (LOOSE, ("client_id", "stock"), rs256, "Audience"),
        ] {
            let caller = identify(&authenticator, &token(issuer, audience, signed_by)).await;
            assert_eq!(verdict(&caller), expected, "{issuer} {audience:?} {signed_by:?}");
            if let Ok(caller) = caller {
                assert_eq!(caller.allows("orders:order:read"), issuer == STRICT);
                assert_eq!(caller.allows("stock:item:read"), issuer == LOOSE);
            }
        }
    }
}

#[tokio::test]
async fn a_faulty_url_and_a_userinfo_endpoint_concern_the_key_set_that_names_them() {
    let provider = Provider::start().await;
    provider.reply("/userinfo", Reply::Json(json!({ "sub": "alice" })));
    let with_password = |path: &str| provider.url(path).replace("http://", "http://me:hunter2@");
    let keys = |url: &str, issuer: &str| KeySet::new(url).issuer(issuer).audience("stock");
    let faulty = keys(&with_password("/jwks"), STRICT).userinfo(&with_password("/userinfo"));
    let authenticator =
        Authenticator::new().keys(keys(&provider.url("/jwks"), LOOSE)).keys(faulty).clock(clock());
    assert_eq!(authenticator.faults().len(), 2, "the key set and the endpoint of the second");
    let stock = ("aud", "stock");
    let caller = identify(&authenticator, &token(LOOSE, stock, ("RS256", "rsa"))).await.unwrap();
    assert!(caller.userinfo().await.unwrap().is_none());
    let refused = identify(&authenticator, &token(STRICT, stock, ("RS256", "rsa"))).await;
    assert_eq!(verdict(&refused), "Unavailable");
    assert_eq!(provider.requests("/userinfo").len(), 0);
}

#[tokio::test]
async fn the_keys_of_one_issuer_never_verify_the_tokens_of_another() {
    let (one, other) = (Provider::start().await, Provider::start().await);
    one.reply("/jwks", Reply::Json(json!({ "keys": [KEYS.public_rsa("one")] })));
    let mut stranger = KEYS.public_rsa("other");
    stranger["n"] = json!(encode([0xff; 256]));
    other.reply("/jwks", Reply::Json(json!({ "keys": [stranger] })));
    let authenticator = Authenticator::new()
        .keys(key_set(&one))
        .keys(key_set(&other).issuer("https://other.example.com/"))
        .clock(clock());
    assert_eq!(authenticator.faults(), []);
    assert_eq!(verdict(&identify(&authenticator, &token_of("one")).await), "allowed");
    // Signed with the first issuer's key in the name of the second issuer.
    let mut claims = tokens::good_claims();
    claims.insert("iss".to_owned(), json!("https://other.example.com/"));
    for (kid, expected) in [("one", "Key"), ("other", "Signature")] {
        let forged = tokens::token(kid, &json!(claims));
        assert_eq!(verdict(&identify(&authenticator, &forged).await), expected);
    }
    assert_eq!(verdict(&identify(&authenticator, &token_of("other")).await), "Key");
}
