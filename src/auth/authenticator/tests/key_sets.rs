//! Several key sets: each has its own keys and its own rules.

use serde_json::json;

use crate::auth::authenticator::tests::provider::{KEYS, Reply, encode, modulus};
use crate::auth::authenticator::tests::{
    Authenticator, KeySet, NOW, Provider, clock, identify, key_set, token_of, tokens, verdict,
};
use crate::auth::authenticator::{Algorithm, Identify};

const STRICT: &str = "https://strict.example.com/";
const LOOSE: &str = "https://loose.example.com/";

/// A token of `issuer` with a claim of its own, signed with `algorithm` and the key `kid`.
fn token(issuer: &str, (claim, value): (&str, &str), (algorithm, kid): (&str, &str)) -> String {
    let claims = json!({
        "iss": issuer, "sub": "alice", "exp": NOW + 300, claim: value, "roles": "orders:order:read",
        "scope": "stock:item:read",
    });
    let header = json!({ "alg": algorithm, "kid": kid });
    let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    format!("{signed}.{}", encode(KEYS.sign(algorithm, &signed)))
}

/// Two authenticators with both key sets, one in each order.
async fn in_both_orders(provider: &Provider) -> [Authenticator; 2] {
    let at = |issuer: &str| KeySet::new(&provider.url("/jwks")).issuer(issuer);
    let strict = || {
        let strict = at(STRICT).audience("orders").audience_claim("client_id");
        strict.algorithms([Algorithm::Es256]).permissions_claim("roles")
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

/// A rule of a key set, and its effect on one token.
struct Rule {
    name: &'static str,
    set: fn(KeySet) -> KeySet,
    header: serde_json::Value,
    claims: serde_json::Value,
    /// The verdict of a key set with the rule, and of one without.
    verdicts: (&'static str, &'static str),
}

const TYPE: &str = "Malformed: `typ` is not an access token's";

fn rules() -> Vec<Rule> {
    let es384 = json!({ "alg": "ES384", "kid": "ec384" });
    let rs256 = json!({ "alg": "RS256", "kid": "rsa" });
    let at_jwt = json!({ "alg": "RS256", "kid": "rsa", "typ": "at+jwt" });
    let orders = json!({ "aud": "orders" });
    let rule = |name, set, header: &serde_json::Value, claims: &serde_json::Value, verdicts| Rule {
        name,
        set,
        header: header.clone(),
        claims: claims.clone(),
        verdicts,
    };
    let stock = json!({ "aud": "stock" });
    let client = json!({ "client_id": "orders" });
    vec![
        rule("audience", |it| it.audience("stock"), &rs256, &stock, ("allowed", "Audience")),
        rule(
            "audience claim",
            |it| it.audience_claim("client_id"),
            &rs256,
            &client,
            ("allowed", "Audience"),
        ),
        rule(
            "audience claim, not aud",
            |it| it.audience_claim("client_id"),
            &rs256,
            &orders,
            ("Audience", "allowed"),
        ),
        rule(
            "more algorithms",
            |it| it.algorithms([Algorithm::Es384]),
            &es384,
            &orders,
            ("allowed", "Algorithm"),
        ),
        rule(
            "fewer algorithms",
            |it| it.algorithms([Algorithm::Es384]),
            &rs256,
            &orders,
            ("Algorithm", "allowed"),
        ),
        rule("token type", |it| it.token_type("at+jwt"), &rs256, &orders, (TYPE, "allowed")),
        rule(
            "token type, met",
            |it| it.token_type("at+jwt"),
            &at_jwt,
            &orders,
            ("allowed", "allowed"),
        ),
        rule("token type, another", |it| it.token_type("JWT"), &at_jwt, &orders, (TYPE, "allowed")),
        rule(
            "token type, no case",
            |it| it.token_type("application/AT+jwt"),
            &at_jwt,
            &orders,
            ("allowed", "allowed"),
        ),
    ]
}

impl Rule {
    fn token(&self, issuer: &str) -> String {
        let mut claims = json!({ "iss": issuer, "sub": "alice", "exp": NOW + 300 });
        for (name, value) in self.claims.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let signed = format!("{}.{}", encode(self.header.to_string()), encode(claims.to_string()));
        let signature = KEYS.sign(self.header["alg"].as_str().unwrap(), &signed);
        format!("{signed}.{}", encode(signature))
    }
}

/// Whether the rule of one key set does not apply to another key set. `verdict` gets the key sets in either
/// order, and a token for one of them.
async fn keeps_its_own(rule: &Rule, verdict: impl AsyncFn([KeySet; 2], &str) -> String) -> bool {
    let provider = Provider::start().await;
    let at = |issuer: &str| KeySet::new(&provider.url("/jwks")).issuer(issuer).audience("orders");
    let (with, without) = (|| (rule.set)(at(STRICT)), || at(LOOSE));
    let mut kept = true;
    for (issuer, expected) in [(STRICT, rule.verdicts.0), (LOOSE, rule.verdicts.1)] {
        for key_sets in [[with(), without()], [without(), with()]] {
            kept &= verdict(key_sets, &rule.token(issuer)).await == expected;
        }
    }
    kept
}

#[tokio::test]
async fn no_key_set_lends_a_rule_to_another_one() {
    for rule in rules() {
        let ours = async |key_sets: [KeySet; 2], token: &str| {
            let [one, other] = key_sets;
            let authenticator = Authenticator::new().keys(one).keys(other).clock(clock());
            verdict(&identify(&authenticator, token).await)
        };
        assert!(keeps_its_own(&rule, ours).await, "{}", rule.name);
        // Mutant: an authenticator with the rules of the first key set, and the issuers of both.
        let merged = async |key_sets: [KeySet; 2], token: &str| {
            let mut verdicts = Vec::new();
            for issuer in [STRICT, LOOSE] {
                let rules = key_sets[0].clone().issuer(issuer);
                let authenticator = Authenticator::new().keys(rules).clock(clock());
                verdicts.push(verdict(&identify(&authenticator, token).await));
            }
            verdicts.retain(|verdict| verdict != "Issuer");
            verdicts.pop().unwrap()
        };
        let differs = rule.verdicts.0 != rule.verdicts.1;
        assert_eq!(keeps_its_own(&rule, merged).await, !differs, "{}", rule.name);
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
    stranger["n"] = json!(encode(modulus(&KEYS.other_rsa)));
    other.reply("/jwks", Reply::Json(json!({ "keys": [stranger] })));
    let authenticator = Authenticator::new()
        .keys(key_set(&one))
        .keys(key_set(&other).issuer("https://other.example.com/"))
        .clock(clock());
    assert_eq!(authenticator.faults(), []);
    assert_eq!(verdict(&identify(&authenticator, &token_of("one")).await), "allowed");
    // A token that names the second issuer and is signed with the first issuer's key.
    let mut claims = tokens::good_claims();
    claims.insert("iss".to_owned(), json!("https://other.example.com/"));
    for (kid, expected) in [("one", "Key"), ("other", "Signature")] {
        let forged = tokens::token(kid, &json!(claims));
        assert_eq!(verdict(&identify(&authenticator, &forged).await), expected);
    }
    assert_eq!(verdict(&identify(&authenticator, &token_of("other")).await), "Key");
}
