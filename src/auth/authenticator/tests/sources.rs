//! Other sources of information about a caller: userinfo, the authorizers of API Gateway, a function of the
//! user.

use std::time::Duration;

use funcify_core::engine::Clock;
use serde_json::{json, value::RawValue};

use crate::auth::authenticator::tests::provider::Reply;
use crate::auth::authenticator::tests::{
    NOW, Provider, authenticator, authenticator_with_userinfo, clock, identify, key_set,
    token_with, verdict, with_keys,
};
use crate::auth::authenticator::{Authenticator, Caller, Identify, Unauthenticated};

async fn with_userinfo() -> (Provider, Authenticator) {
    let provider = Provider::start().await;
    let authenticator = authenticator_with_userinfo(&provider);
    provider.reply("/userinfo", Reply::Json(json!({ "sub": "alice", "email": "a@example.com" })));
    (provider, authenticator)
}

#[tokio::test]
async fn userinfo_is_fetched_when_first_needed_and_once() {
    let (provider, authenticator) = with_userinfo().await;
    let token = token_with("jti", json!("1"));
    let caller = identify(&authenticator, &token).await.unwrap();
    assert_eq!(provider.requests("/userinfo").len(), 0);
    for _ in 0..3 {
        let claims = caller.userinfo().await.unwrap().unwrap();
        assert_eq!(claims["email"], "a@example.com");
    }
    // A second `Caller` of the same token shares the reply.
    identify(&authenticator, &token).await.unwrap().userinfo().await.unwrap();
    let requests = provider.requests("/userinfo");
    assert_eq!(requests.len(), 1);
    assert!(requests[0].contains(&format!("authorization: Bearer {token}\r\n")));
    assert!(provider.requests("/jwks").iter().all(|head| !head.contains("authorization")));
}

#[tokio::test]
async fn userinfo_is_kept_for_a_minute_and_never_longer_than_the_token() {
    for (lifetime, kept) in [(300, 60), (20, 20)] {
        let (provider, authenticator) = with_userinfo().await;
        let clock = clock();
        let authenticator = authenticator.clock(clock.clone());
        let caller =
            identify(&authenticator, &token_with("exp", json!(NOW + lifetime))).await.unwrap();
        caller.userinfo().await.unwrap();
        clock.advance(Duration::from_secs(kept) - Duration::from_millis(1));
        caller.userinfo().await.unwrap();
        assert_eq!(provider.requests("/userinfo").len(), 1);
        clock.advance(Duration::from_millis(1));
        caller.userinfo().await.unwrap();
        assert_eq!(provider.requests("/userinfo").len(), 2, "{lifetime}");
    }
}

#[tokio::test]
async fn userinfo_is_not_kept_after_the_clock_was_set_back() {
    let (provider, authenticator) = with_userinfo().await;
    let clock = clock();
    let authenticator = authenticator.clock(clock.clone());
    let caller = identify(&authenticator, &token_with("exp", json!(NOW + 300))).await.unwrap();
    caller.userinfo().await.unwrap();
    clock.set(super::clock().now() - Duration::from_secs(3_600));
    caller.userinfo().await.unwrap();
    assert_eq!(provider.requests("/userinfo").len(), 2);
}

#[tokio::test]
async fn userinfo_must_be_about_the_same_subject() {
    let rows = [
        (Reply::Json(json!({ "sub": "bob" })), "Unconfirmed"),
        (Reply::Json(json!({ "email": "a@example.com" })), "Unconfirmed"),
        (Reply::Json(json!({ "sub": ["alice"] })), "Unconfirmed"),
        (Reply::Status(401), "Unconfirmed"),
        (Reply::Status(403), "Unconfirmed"),
        (Reply::Status(500), "Unavailable"),
        (Reply::Text("a signed reply".to_owned()), "Unavailable"),
        (Reply::Text(r#"{"sub":"alice","sub":"alice"}"#.to_owned()), "Unavailable"),
        (Reply::Redirect("/jwks".to_owned()), "Unavailable"),
        (Reply::Text(format!("{{\"sub\":\"{}\"}}", "a".repeat(65 * 1024))), "Unavailable"),
    ];
    let (provider, authenticator) = with_userinfo().await;
    let caller = identify(&authenticator, &token_with("jti", json!("2"))).await.unwrap();
    for (reply, expected) in rows {
        provider.reply("/userinfo", reply);
        assert_eq!(verdict(&caller.userinfo().await), expected);
    }
}

#[tokio::test]
async fn a_key_set_without_an_endpoint_has_no_userinfo() {
    let provider = Provider::start().await;
    let caller = identify(&authenticator(&provider), &token_with("jti", json!("3"))).await.unwrap();
    assert!(caller.userinfo().await.unwrap().is_none());
}

#[tokio::test]
async fn permissions_come_from_scope_permissions_and_activities() {
    let provider = Provider::start().await;
    let authenticator = authenticator(&provider);
    let allows = async |authenticator: &Authenticator, claim: &str, value: serde_json::Value| {
        let mut claims = super::tokens::good_claims();
        claims.remove("scope");
        claims.insert(claim.to_owned(), value);
        let token = super::tokens::token("rsa", &claims.into());
        let caller = identify(authenticator, &token).await.unwrap();
        caller.allows("orders:order:read")
    };
    assert!(allows(&authenticator, "scope", json!("openid orders:order:read email")).await);
    assert!(allows(&authenticator, "permissions", json!(["orders:order:read"])).await);
    assert!(allows(&authenticator, "activities", json!(["stock:**", "orders:**"])).await);
    assert!(!allows(&authenticator, "scope", json!("openid orders:order:write")).await);
    assert!(!allows(&authenticator, "scope", json!({ "orders:order:read": true })).await);
    assert!(!allows(&authenticator, "permissions", json!([["orders:order:read"], 7, null])).await);
    assert!(allows(&authenticator, "scp", json!(["orders:order:read"])).await);
    assert!(allows(&authenticator, "scp", json!("stock:item:read orders:order:read")).await);
    assert!(!allows(&authenticator, "roles", json!(["orders:order:read"])).await);
    let other = key_set(&provider).permissions_claim("roles");
    let other = with_keys(other.permissions_claim("https://example.com/can"));
    assert!(allows(&other, "roles", json!(["orders:order:read"])).await);
    assert!(allows(&other, "https://example.com/can", json!("orders:order:read")).await);
    assert!(!allows(&other, "scope", json!("orders:order:read")).await);
}

#[tokio::test]
async fn the_audience_can_be_read_from_another_claim_and_then_only_from_there() {
    let provider = Provider::start().await;
    let authenticator = with_keys(key_set(&provider).audience_claim("client_id"));
    let token = token_with("client_id", json!("orders"));
    assert_eq!(identify(&authenticator, &token).await.unwrap().subject, "alice");
    let token = token_with("client_id", json!("stock"));
    assert_eq!(verdict(&identify(&authenticator, &token).await), "Audience");
    assert_eq!(
        verdict(&identify(&authenticator, &token_with("jti", json!("6"))).await),
        "Audience"
    );
}

async fn of_authorizer(
    authenticator: &Authenticator,
    json: &str,
) -> Result<Caller, Unauthenticated> {
    let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
    authenticator.identify(None, Some(&raw), None).await
}

#[tokio::test]
async fn every_kind_of_authorizer_is_understood() {
    let provider = Provider::start().await;
    let authenticator = authenticator(&provider).authorizer_claims(&[]);
    let known = [
        (
            "Cognito, REST",
            r#"{"claims":{"sub":"alice","iss":"https://pool","scope":"orders:order:read"}}"#,
        ),
        (
            "JWT, HTTP",
            r#"{"jwt":{"claims":{"sub":"alice","scope":"openid orders:order:read"},"scopes":["x"]}}"#,
        ),
        (
            "JWT, HTTP, an array of one as text",
            r#"{"jwt":{"claims":{"sub":"alice","permissions":"[orders:order:read]"},"scopes":null}}"#,
        ),
        (
            "Lambda, REST",
            r#"{"principalId":"alice","integrationLatency":3,"scope":"orders:order:read"}"#,
        ),
        ("Lambda, HTTP", r#"{"lambda":{"sub":"alice","activities":["orders:order:read"]}}"#),
    ];
    let arn = "arn:aws:iam::123456789012:user/alice";
    for iam in [
        format!(r#"{{"iam":{{"accountId":"123456789012","userArn":"{arn}","userId":"AIDA"}}}}"#),
        format!(r#"{{"sourceIp":"192.0.2.1","userArn":"{arn}","user":"AIDA"}}"#),
    ] {
        let caller = of_authorizer(&authenticator, &iam).await.unwrap();
        assert_eq!((&*caller.subject, &*caller.permissions), (arn, &[][..]), "{iam}");
    }
    for (kind, json) in known {
        let caller = of_authorizer(&authenticator, json).await.unwrap();
        assert_eq!(caller.subject, "alice", "{kind}");
        assert!(caller.allows("orders:order:read"), "{kind}");
    }
    let nobody = [
        ("null", "Missing"),
        ("{}", "Missing"),
        (r#"{"lambda":null}"#, "Missing"),
        (r#"{"claims":null}"#, "Missing"),
        (r#"{"iam":null}"#, "Missing"),
        (r#"{"iam":{"accountId":"1"}}"#, "Malformed: the authorizer's claims are unreadable"),
        (
            r#"{"sourceIp":"192.0.2.1","userArn":null}"#,
            "Malformed: the authorizer's claims are unreadable",
        ),
        ("[]", "Malformed: the authorizer's claims are unreadable"),
        ("7", "Malformed: the authorizer's claims are unreadable"),
        (
            r#"{"claims":{"scope":"orders:order:read"}}"#,
            "Malformed: the authorizer's claims are unreadable",
        ),
        (r#"{"claims":{"sub":""}}"#, "Malformed: the authorizer's claims are unreadable"),
        (
            r#"{"claims":{"sub":"alice","sub":"admin"}}"#,
            "Malformed: the authorizer's claims are unreadable",
        ),
    ];
    for (json, expected) in nobody {
        assert_eq!(verdict(&of_authorizer(&authenticator, json).await), expected, "{json}");
    }
}

#[tokio::test]
async fn an_element_of_an_array_with_spaces_does_not_grant_its_parts() {
    let authenticator = Authenticator::new().authorizer_claims(&["permissions"]);
    let grants = async |claims: &str| {
        let caller = of_authorizer(&authenticator, claims).await.unwrap();
        caller.allows("orders:order:read")
    };
    let jwt = |claim: &str| {
        let claims = json!({ "jwt": { "claims": { "sub": "alice", "permissions": claim } } });
        claims.to_string()
    };
    // The HTTP API writes both of these arrays as the same text.
    for array in [&["visitor orders:order:read"][..], &["visitor", "orders:order:read"]] {
        let text = format!("[{}]", array.join(" "));
        assert!(!grants(&jwt(&text)).await, "{array:?}");
        // Mutant: code that splits this text grants the parts of an element.
        let split = text.trim_matches(['[', ']']).split(' ');
        assert!(split.into_iter().any(|part| part == "orders:order:read"));
    }
    for (text, granted) in [
        ("[orders:order:read]", true),
        ("visitor orders:order:read", true),
        ("[visitor orders:order:read", true),
        ("visitor [orders:order:read]", false),
        ("[]", false),
        ("[", false),
        ("", false),
    ] {
        assert_eq!(grants(&jwt(text)).await, granted, "{text}");
    }
    let lambda = |array: serde_json::Value| {
        json!({ "lambda": { "sub": "alice", "permissions": array } }).to_string()
    };
    assert!(!grants(&lambda(json!(["visitor orders:order:read"]))).await);
    assert!(grants(&lambda(json!(["visitor", "orders:order:read"]))).await);
    let provider = Provider::start().await;
    let token = token_with("permissions", json!(["visitor stock:item:read"]));
    let caller = identify(&with_keys(key_set(&provider)), &token).await.unwrap();
    assert!(!caller.allows("stock:item:read"));
}

#[tokio::test]
async fn a_bound_token_is_refused_behind_an_authorizer_too() {
    let authenticator = Authenticator::new().authorizer_claims(&[]);
    let bound = "Malformed: `cnf` binds it to a key that is not checked";
    for (json, expected) in [
        (r#"{"jwt":{"claims":{"sub":"alice","cnf":"map[jkt:0ZcO]"}}}"#, bound),
        (r#"{"claims":{"sub":"alice","cnf":"{\"jkt\":\"0ZcO\"}"}}"#, bound),
        // A Lambda authorizer decides what it checks and what it writes, so `cnf` has no meaning there.
        (r#"{"lambda":{"sub":"alice","cnf":"checked"}}"#, "allowed"),
    ] {
        assert_eq!(verdict(&of_authorizer(&authenticator, json).await), expected, "{json}");
    }
}

#[tokio::test]
async fn a_statement_with_a_repeated_member_reaches_no_function() {
    let authenticator = Authenticator::from_fn(async |_, authorizer: Option<serde_json::Value>| {
        Ok(Caller::new(authorizer.unwrap()["lambda"]["user"].as_str().unwrap()))
    });
    let once = r#"{"lambda":{"user":"alice"}}"#;
    assert_eq!(of_authorizer(&authenticator, once).await.unwrap().subject, "alice");
    for twice in [
        r#"{"lambda":{"user":"alice"},"lambda":{"user":"admin"}}"#,
        r#"{"lambda":{"user":"alice","user":"admin"}}"#,
        r#"{"lambda":null,"lambda":{"user":"admin"}}"#,
    ] {
        let expected = "Malformed: the authorizer's claims are unreadable";
        assert_eq!(verdict(&of_authorizer(&authenticator, twice).await), expected, "{twice}");
    }
}

#[tokio::test]
async fn an_authorizers_permissions_can_be_read_from_another_claim() {
    let authenticator = Authenticator::new().authorizer_claims(&["scp"]);
    for (claim, expected) in [("scp", true), ("scope", false)] {
        let json = format!(r#"{{"claims":{{"sub":"alice","{claim}":"orders:order:read"}}}}"#);
        let caller = of_authorizer(&authenticator, &json).await.unwrap();
        assert_eq!(caller.allows("orders:order:read"), expected, "{claim}");
    }
}

#[tokio::test]
async fn an_authorizer_is_trusted_only_where_it_is_enabled() {
    let provider = Provider::start().await;
    let json = r#"{"claims":{"sub":"alice"}}"#;
    assert_eq!(verdict(&of_authorizer(&authenticator(&provider), json).await), "Missing");
}

#[tokio::test]
async fn no_other_source_is_asked_about_a_refused_bearer_token() {
    let provider = Provider::start().await;
    let authenticator = Authenticator::from_fn(async |_, _| Ok(Caller::new("anyone")))
        .authorizer_claims(&[])
        .keys(key_set(&provider))
        .clock(clock());
    let raw: Box<RawValue> = serde_json::from_str(r#"{"claims":{"sub":"alice"}}"#).unwrap();
    let expired = format!("Bearer {}", token_with("exp", json!(NOW - 300)));
    let refused = authenticator.identify(Some(&expired), Some(&raw), None).await;
    assert_eq!(verdict(&refused), "Expired");
    assert_eq!(authenticator.identify(None, Some(&raw), None).await.unwrap().subject, "alice");
    assert_eq!(authenticator.identify(None, None, None).await.unwrap().subject, "anyone");
}
