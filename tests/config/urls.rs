//! The URL of a backend.

use std::fs;

use funcify::Stores;

use super::{SECRET, in_one_line};
use crate::support::attempt::unique;

/// An invalid URL, and a text that its error must contain.
const INVALID: [(&str, &str); 116] = [
    // Not the URL of any backend.
    ("", "expected memory:"),
    ("c4n4ry", "expected memory:"),
    ("://c4n4ry", "expected memory:"),
    ("c4n4ry@host:6379", "expected memory:"),
    ("user:c4n4ry@host", "scheme \"\""),
    ("c4n4ry:6379", "scheme \"\""),
    ("http://user:c4n4ry@host", "\"http\""),
    ("https://c4n4ry.example", "\"https\""),
    ("postgres://user:c4n4ry@host/db", "\"postgres\""),
    ("valkey://:c4n4ry@host", "insecure=true"),
    ("valkeyss://:c4n4ry@host", "\"valkeyss\""),
    ("valkeys://user@host", "user has no password"),
    ("dynamo://fleet", "\"dynamo\""),
    (" redis://:c4n4ry@host", "expected memory:"),
    ("memory", "expected memory:"),
    ("memory:c4n4ry", "memory: alone"),
    ("memory://host", "memory: alone"),
    ("memory:?prefix=a", "memory: alone"),
    // Redis: form, hosts, credentials, database, options.
    ("redis:", "no scheme"),
    ("redis:c4n4ry@host", "no scheme"),
    ("redis:/host", "no scheme"),
    ("redis://", "host 1: expected a host name"),
    ("redis://user:c4n4ry@", "host 1: expected a host name"),
    ("redis://host#c4n4ry", "`#`"),
    ("rediss://user:c4n4ry#1@host", "`#`"),
    ("rediss://user:c4n4ry/1@host", "`@`"),
    ("rediss://user:c4n4ry?1@host", "`@`"),
    ("rediss://user:c4n4ry@1@host", "%40"),
    ("rediss://user:c4n4ry%zz@host", "password"),
    ("rediss://us%ffer:c4n4ry@host", "user"),
    ("rediss://user@host", "user has no password"),
    ("redis://far.example", "insecure=true"),
    ("redis://192.0.2.1:6380/1?prefix=orders", "insecure=true"),
    ("redis-cluster://192.0.2.1,192.0.2.2:6380", "\"192.0.2.1\""),
    ("redis://user:c4n4ry@far.example", "insecure=true"),
    ("redis://:c4n4ry@10.0.0.1", "\"10.0.0.1\""),
    ("redis-cluster://:c4n4ry@127.0.0.1,far.example", "\"far.example\""),
    ("redis://user:c4n4ry@far.example?insecure=false", "insecure=true"),
    ("redis://user:c4n4ry@far.example?insecure=yes", "\"insecure\""),
    ("rediss://user:c4n4ry@far.example?insecure=true", "\"insecure\""),
    ("redis://host:0", "port"),
    ("redis://host:65536", "port"),
    ("redis://host:c4n4ry", "port"),
    ("redis://host:+1", "port"),
    ("redis://[::1", "IPv6"),
    ("redis://[localhost]", "IPv6"),
    ("redis://a host", "host name"),
    ("redis://höst", "host name"),
    ("redis://one,two", "redis-cluster"),
    ("redis-cluster://one,,three", "host 2"),
    ("redis-cluster://one,two:x", "host 2"),
    ("redis-cluster://one/1", "database"),
    ("redis://host/x", "database"),
    ("redis://host/65536", "database"),
    ("redis://host/-1", "database"),
    ("redis://host?perfix=a", "\"perfix\": unknown"),
    ("redis://host?timeouts=1", "\"timeouts\""),
    ("redis://host?timeout=1", "100 to 10000 milliseconds"),
    ("rediss://host?timeout=c4n4ry", "whole number of milliseconds"),
    ("rediss://host?connect_timeout=600", "raise `timeout` to 1200"),
    ("rediss://host?cert=/c.pem", "needs the option key"),
    ("rediss://host?key=/k.pem", "needs the option cert"),
    ("redis://localhost?cert=/c.pem&key=/k.pem", "\"cert\": only allowed with TLS"),
    ("rediss://host?cert=/no/such/cert.pem&key=/k.pem", "/no/such/cert.pem"),
    ("rediss://user:c4n4ry@host?iam=elasticache&cache=orders", "left out with the option iam"),
    (
        "rediss://user@host?iam=valkey&cache=orders",
        "elasticache, elasticache-serverless or memorydb",
    ),
    ("rediss://user@host?iam=elasticache", "\"cache\""),
    ("rediss://host?iam=elasticache&cache=orders", "user of IAM is missing"),
    ("redis://user@localhost?iam=elasticache&cache=orders", "only allowed with TLS"),
    ("rediss://user:c4n4ry@host?cache=orders", "only used with the option iam"),
    ("rediss://user@host?iam=memorydb&cache=orders&region=EU", "\"EU\""),
    ("redis://host?prefix=", "\"prefix\""),
    ("redis://host?prefix=a%20b", "\"prefix\""),
    ("redis://host?prefix={a}", "\"prefix\""),
    ("redis://host?prefix=a&prefix=b", "\"prefix\": given twice"),
    ("redis://host?ca=/ca.pem", "\"ca\""),
    ("rediss://host?ca=", "\"ca\""),
    ("rediss://:c4n4ry@host?ca=/no/such/ca.pem", "/no/such/ca.pem"),
    // DynamoDB: table, extra parts, options.
    ("dynamodb:", "dynamodb://TABLE"),
    ("dynamodb://", "dynamodb://TABLE"),
    ("dynamodb:///fleet", "dynamodb://TABLE"),
    ("dynamodb://ab", "\"ab\""),
    ("dynamodb://a%20b", "table name"),
    ("dynamodb://fleet:8000", "port"),
    ("dynamodb://user:c4n4ry@fleet", "user name"),
    ("dynamodb://:c4n4ry@fleet", "password"),
    ("dynamodb://fleet/orders", "path"),
    ("dynamodb://fleet#orders", "fragment"),
    ("dynamodb://fleet?regoin=eu-central-1", "unknown option `regoin`"),
    ("dynamodb://fleet?endpoint=http://c4n4ry", "`endpoint`"),
    ("dynamodb://fleet?region=", "region"),
    ("dynamodb://fleet?region=EU", "\"EU\""),
    ("dynamodb://fleet?region=eu%2F", "\"eu/\""),
    ("dynamodb://fleet?prefix=", "prefix"),
    ("dynamodb://fleet?prefix=a:b", "\"a:b\""),
    ("dynamodb://fleet?prefix=a&prefix=b", "`prefix` is given twice"),
    // SSM: path, extra parts, options.
    ("ssm:", "path"),
    ("ssm:///", "path"),
    ("ssm://fleet", "three slashes"),
    ("ssm://user:c4n4ry@host/fleet", "user name"),
    ("ssm:////fleet", "\"//fleet\""),
    ("ssm:///fleet/../orders", "\"/fleet/../orders\""),
    ("ssm:///aws/fleet", "\"/aws/fleet\""),
    ("ssm:///ssm-fleet", "\"/ssm-fleet\""),
    ("ssm:///{fleet}", "\"/{fleet}\""),
    ("ssm:///fleet#orders", "fragment"),
    ("ssm:///fleet?kms-key=alias/fleet", "unknown option `kms-key`"),
    ("ssm:///fleet?kms_key=", "KMS key"),
    ("ssm:///fleet?tier=huge", "\"huge\""),
    ("ssm:///fleet?tier=standard&tier=standard", "`tier` is given twice"),
    ("ssm:///fleet?region=EU", "\"EU\""),
    ("ssm:///fleet?prefix=a", "`prefix`"),
    ("ssm:///fleet?timeout=20000", "100 to 10000 milliseconds"),
    ("dynamodb://fleet?connect_timeout=1", "20 to 5000 milliseconds"),
    ("dynamodb://fleet?sk=SK", "`sk_value`"),
    ("dynamodb://arn:aws:dynamodb:eu-central-1:c4n4ry:table/fleet@", "dynamodb://TABLE"),
];

#[tokio::test]
async fn an_invalid_url_is_refused_and_the_error_names_what_is_wrong() {
    for (url, expected) in INVALID {
        let Err(error) = Stores::from_url(url).await else { panic!("{url} is accepted") };
        let text = in_one_line(&error);
        assert!(text.contains(expected), "{url}: {text}");
    }
}

#[tokio::test]
async fn a_file_without_certificates_is_named() {
    let path = std::env::temp_dir().join(unique("not-a-certificate"));
    fs::write(&path, SECRET).unwrap();
    let error =
        Stores::from_url(&format!("rediss://host?ca={}", path.display())).await.unwrap_err();
    fs::remove_file(&path).unwrap();
    assert!(in_one_line(&error).contains(path.to_str().unwrap()), "{error:?}");
}

#[tokio::test]
async fn a_valid_url_is_accepted_without_a_server_and_its_password_is_not_shown() {
    let valid = [
        "memory:",
        "memory://",
        "redis://127.8.9.1",
        "redis://192.0.2.1?insecure=true",
        "redis://192.0.2.1:6380/1?prefix=orders&insecure=true",
        "redis://:c4n4ry@localhost",
        "redis://:c4n4ry@[::1]:6379",
        "redis://user:c4n4ry@far.example?insecure=true",
        "rediss://user:c4n4ry%40%2F%3A@far.example",
        "redis-cluster://192.0.2.1,192.0.2.2:6380?insecure=true",
        "valkey://:c4n4ry@localhost",
        "valkeys://user:c4n4ry@far.example?timeout=1500&connect_timeout=700",
        "valkey-cluster://127.0.0.1,[::1]",
        "valkeys-cluster://one.example,two.example",
        "rediss://orders@far.example?iam=elasticache&cache=Orders&region=eu-central-1",
        "rediss-cluster://orders@far.example?iam=elasticache-serverless&cache=orders",
        "valkeys://orders@far.example?iam=memorydb&cache=orders",
        "dynamodb://arn:aws:dynamodb:eu-central-1:111122223333:table/fleet",
        "dynamodb://fleet?pk=PK&sk=SK&sk_value=funcify&timeout=2000",
        "ssm:///fleet?tier=intelligent&timeout=3000",
        "rediss-cluster://user:c4n4ry@one.example,two.example?prefix=orders",
        "dynamodb://fleet",
        "dynamodb://fleet?region=eu-central-1&prefix=orders",
        "ssm:///fleet",
        "ssm:///fleet/orders?kms_key=alias/fleet&tier=advanced&region=eu-central-1",
        // A scheme is case-insensitive (RFC 3986, section 3.1).
        "MEMORY:",
        "Rediss://user:c4n4ry@far.example",
        "REDIS-CLUSTER://192.0.2.1,192.0.2.2?insecure=true",
        "DynamoDB://fleet?region=eu-central-1",
        "SSM:///Fleet?region=eu-central-1",
    ];
    for url in valid {
        let stores = Stores::from_url(url).await.unwrap_or_else(|error| panic!("{url}: {error:?}"));
        let shown = format!("{stores:?} {stores:#?}");
        assert!(!shown.contains(SECRET), "{shown}");
    }
}

#[tokio::test]
async fn each_backend_has_its_poll_policy_and_a_sealed_store_keeps_it() {
    for (url, millis) in [
        ("memory:", [100, 400, 0]),
        ("redis://127.0.0.1", [100, 400, 0]),
        ("dynamodb://fleet?region=eu-central-1", [250, 1_000, 0]),
        ("ssm:///fleet?region=eu-central-1", [500, 2_000, 500]),
    ] {
        let stores = Stores::from_url(url).await.unwrap();
        let keys = "one:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let sealed = stores.clone().sealed(keys).unwrap().tokens;
        for pace in [stores.tokens.poll_policy(), sealed.poll_policy()] {
            let pace = [pace.shortest, pace.longest, pace.contention];
            assert_eq!(pace.map(|bound| bound.as_millis()), millis, "{url}");
        }
    }
}
