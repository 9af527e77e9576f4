//! The user that an Application Load Balancer has signed in.

use base64::{Engine, engine::general_purpose::URL_SAFE};
use serde_json::{Value, json};

use crate::auth::authenticator::tests::provider::{KEYS, Provider, Reply};
use crate::auth::authenticator::tests::{NOW, clock, verdict};
use crate::auth::authenticator::{Authenticator, Caller, Identify, Unauthenticated};

const ARN: &str =
    "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/shop/0123456789abcdef";
const KID: &str = "6ea29ff9-a22d-4b0e-8e0b-1d2c3b4a5968";

async fn set_up() -> (Provider, Authenticator) {
    let provider = Provider::start().await;
    provider.reply(&format!("/{KID}"), Reply::Text(KEYS.p256_pem()));
    let mut authenticator = Authenticator::new().load_balancer(ARN).clock(clock());
    let load_balancer = authenticator.load_balancer.as_mut().unwrap().as_mut().unwrap();
    load_balancer.published_at = provider.url("/");
    (provider, authenticator)
}

fn header() -> Value {
    json!({
        "typ": "JWT", "kid": KID, "alg": "ES256", "iss": "https://login.example.com/",
        "client": "shop", "signer": ARN, "exp": NOW + 120,
    })
}

fn claims() -> Value {
    json!({ "sub": "alice", "email": "a@example.com", "scope": "orders:read", "exp": NOW + 120 })
}

/// The header as a load balancer writes it: each part is padded, and the padding is signed too.
fn data(header: &Value, claims: &Value, by: &str) -> String {
    // Gives the JSON a length that needs padding.
    let pad = |json: &Value| {
        let mut text = json.to_string();
        while text.len() % 3 != 1 {
            text.push(' ');
        }
        URL_SAFE.encode(text)
    };
    let signed = format!("{}.{}", pad(header), pad(claims));
    assert!(signed.contains("==."));
    format!("{signed}.{}", URL_SAFE.encode(KEYS.sign(by, &signed)))
}

async fn identify(authenticator: &Authenticator, data: &str) -> Result<Caller, Unauthenticated> {
    authenticator.identify(None, None, Some(data)).await
}

#[tokio::test]
async fn the_user_that_the_load_balancer_signed_in_is_the_caller() {
    let (provider, authenticator) = set_up().await;
    for _ in 0..3 {
        let caller = identify(&authenticator, &data(&header(), &claims(), "ES256")).await.unwrap();
        assert_eq!(caller.subject, "alice");
        assert_eq!(caller.permissions, ["orders:read"]);
        assert_eq!(caller.issuer.as_deref(), Some("https://login.example.com/"));
        assert_eq!(caller.claims["email"], "a@example.com");
    }
    assert_eq!(provider.requests(&format!("/{KID}")).len(), 1, "the key is kept");
}

#[tokio::test]
async fn every_other_statement_is_refused() {
    let (provider, authenticator) = set_up().await;
    let with = |member: &str, value: Value| {
        let mut header = header();
        header[member] = value;
        header
    };
    let other = ARN.replace("shop", "another");
    let of_claims = |member: &str, value: Value| {
        let mut claims = claims();
        claims[member] = value;
        data(&header(), &claims, "ES256")
    };
    let good = data(&header(), &claims(), "ES256");
    let (signed, signature) = good.rsplit_once('.').unwrap();
    for (statement, expected) in [
        (data(&with("signer", json!(other)), &claims(), "ES256"), "Issuer"),
        (data(&with("signer", Value::Null), &claims(), "ES256"), "Issuer"),
        (data(&with("signer", json!([ARN])), &claims(), "ES256"), "Issuer"),
        (data(&with("alg", json!("RS256")), &claims(), "RS256"), "Algorithm"),
        (data(&with("alg", json!("none")), &claims(), "nothing"), "Algorithm"),
        (data(&header(), &claims(), "zeros"), "Signature"),
        (format!("{}.{signature}", signed.replace('=', "")), "Signature"),
        (data(&with("kid", json!("unknown")), &claims(), "ES256"), "Key"),
        (
            data(&with("kid", json!("../jwks")), &claims(), "ES256"),
            "Malformed: `kid` is not the name of a key",
        ),
        (
            data(&with("kid", Value::Null), &claims(), "ES256"),
            "Malformed: `kid` is not the name of a key",
        ),
        (data(&with("exp", json!(NOW - 60)), &claims(), "ES256"), "Expired"),
        (data(&with("exp", Value::Null), &claims(), "ES256"), "Malformed: `exp` is not a time"),
        (of_claims("exp", json!(NOW - 60)), "Expired"),
        (of_claims("sub", json!("")), "Malformed: `sub` is not a name"),
        (of_claims("sub", json!(7)), "Malformed: `sub` is not a name"),
        ("a.b".to_owned(), "Malformed: not three parts"),
        (String::new(), "Malformed: not three parts"),
    ] {
        assert_eq!(verdict(&identify(&authenticator, &statement).await), expected, "{statement}");
    }
    assert!(provider.requests("/jwks").is_empty(), "a name of a key is not a path");
}

#[tokio::test]
async fn a_region_that_does_not_answer_is_not_the_users_fault() {
    for reply in [Reply::Status(500), Reply::Text("no key".to_owned())] {
        let (provider, authenticator) = set_up().await;
        provider.reply(&format!("/{KID}"), reply);
        let refused = identify(&authenticator, &data(&header(), &claims(), "ES256")).await;
        assert_eq!(verdict(&refused), "Unavailable");
    }
}

#[tokio::test]
async fn invented_names_do_not_push_out_the_key_in_use() {
    let (provider, authenticator) = set_up().await;
    let good = data(&header(), &claims(), "ES256");
    identify(&authenticator, &good).await.unwrap();
    for number in 0..40 {
        let mut header = header();
        header["kid"] = json!(format!("invented-{number}"));
        let refused = identify(&authenticator, &data(&header, &claims(), "ES256")).await;
        assert_eq!(verdict(&refused), "Key");
    }
    identify(&authenticator, &good).await.unwrap();
    assert_eq!(provider.requests(&format!("/{KID}")).len(), 1);
}

#[test]
fn only_the_arn_of_an_application_load_balancer_names_one() {
    let published_at = |arn: &str| {
        let authenticator = Authenticator::new().load_balancer(arn);
        let faults: Vec<_> = authenticator.faults().iter().map(ToString::to_string).collect();
        let load_balancer = authenticator.load_balancer.unwrap();
        assert_eq!(load_balancer.is_err(), !faults.is_empty(), "{faults:?}");
        load_balancer.map(|it| it.published_at).map_err(|_| faults)
    };
    assert_eq!(published_at(ARN).unwrap(), "https://public-keys.auth.elb.eu-west-1.amazonaws.com/");
    assert_eq!(
        published_at(&ARN.replace("aws", "aws-us-gov").replace("eu-west-1", "us-gov-west-1"))
            .unwrap(),
        "https://s3-us-gov-west-1.amazonaws.com/aws-elb-public-keys-prod-us-gov-west-1/"
    );
    for arn in [
        "",
        "shop",
        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/net/shop/0123456789abcdef",
        "arn:aws:elasticloadbalancing::123456789012:loadbalancer/app/shop/0123456789abcdef",
        "arn:aws:elasticloadbalancing:evil.example/:123456789012:loadbalancer/app/shop/0123456789abcdef",
        "arn:aws-cn:elasticloadbalancing:cn-north-1:123456789012:loadbalancer/app/shop/0123456789abcdef",
        "arn:aws:sqs:eu-west-1:123456789012:loadbalancer/app/shop/0123456789abcdef",
    ] {
        let faults = published_at(arn).unwrap_err();
        assert_eq!(
            faults,
            [format!("expected the ARN of an Application Load Balancer, got {arn:?}")]
        );
    }
}
