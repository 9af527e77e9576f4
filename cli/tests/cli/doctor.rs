//! Broken set-ups, and the sentence that the doctor has for each.

use std::env;

use crate::{
    fake_aws,
    support::{OwnRedis, Ran, free_port, funcify, patient, stores, with},
};

const ACL: &str = include_str!("../../../deploy/redis.acl");
const OPERATOR_ACL: &str = include_str!("../../../deploy/operator-redis.acl");

fn assert_says(set_up: &str, ran: &Ran, code: i32, sentence: &str) {
    // A table may wrap a line, the sentences are not in it.
    let said = format!("{}{}", ran.out, ran.err);
    assert_eq!(ran.code, code, "{set_up}: {said}");
    assert!(said.contains(sentence), "{set_up}: expected {sentence:?} in {said}");
    assert!(!said.contains("canary"), "{set_up}: {said}");
}

#[test]
fn the_doctor_finds_nothing_wrong_with_the_servers_of_the_tests() {
    for url in stores() {
        let healthy = funcify(&["doctor", "--create", "--json", "--backend", &url]);
        assert_eq!(healthy.code, 0, "{url}: {healthy:?}");
        let found = healthy.json();
        assert_eq!(found["works"], true, "{found}");
        let bad: Vec<_> =
            found["checks"].as_array().unwrap().iter().filter(|c| c["verdict"] != "ok").collect();
        assert!(bad.is_empty(), "{url}: {bad:?}");
    }
}

#[test]
fn what_is_wrong_with_the_way_to_a_redis_is_told_with_what_to_do() {
    let own = OwnRedis::start(&["--requirepass", "right"]);
    let open = OwnRedis::start(&[]);
    let tls = env::var("FUNCIFY_TEST_REDIS_TLS").unwrap();
    let cluster = env::var("FUNCIFY_TEST_REDIS_CLUSTER").unwrap();
    let node = cluster.split("://").nth(1).unwrap().split(',').next().unwrap();
    let (tls_server, ca) = tls.split_once("?ca=").unwrap();
    let wrong_ca = ca.split('&').next().unwrap().replace("ca.pem", "server.pem");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, silent) = (own.port, silent.local_addr().unwrap().port());
    for (set_up, url, sentence) in [
        ("no server", format!("redis://127.0.0.1:{}", free_port()), "Nothing listens there"),
        (
            "no such host",
            "redis://no-such-host.invalid?insecure=true".to_owned(),
            "There is no such host",
        ),
        (
            "a server that does not answer",
            format!("redis://127.0.0.1:{silent}"),
            "The server does not answer",
        ),
        ("TLS to plain", format!("rediss://127.0.0.1:{}", open.port), "not speak TLS at this port"),
        (
            "plain to TLS",
            tls_server.replacen("rediss", "redis", 1),
            "if it expects TLS, use rediss://",
        ),
        ("an authority that is not trusted", tls_server.to_owned(), "add ca=PATH"),
        ("the wrong authority", format!("{tls_server}?ca={wrong_ca}"), "not trusted"),
        ("no password", format!("redis://127.0.0.1:{port}"), "The server needs a password"),
        (
            "a wrong password",
            format!("redis://:canary@127.0.0.1:{port}"),
            "User or password is wrong",
        ),
        (
            "an unknown user",
            format!("redis://nobody:canary@127.0.0.1:{port}"),
            "User or password is wrong",
        ),
        (
            "a password that nobody asks for",
            format!("redis://:canary@127.0.0.1:{}", open.port),
            "The server has no password",
        ),
        (
            "a database that does not exist",
            format!("redis://:right@127.0.0.1:{port}/99"),
            "There is no database of this number",
        ),
        (
            "a single node that is part of a cluster",
            format!("redis://{node}"),
            "use redis-cluster://",
        ),
    ] {
        assert_says(set_up, &funcify(&["doctor", "--backend", &patient(&url)]), 1, sentence);
    }
    // It works, but what it says is not so.
    let url = format!("redis-cluster://127.0.0.1:{}", open.port);
    assert_says(
        "a cluster that is a single node",
        &funcify(&["doctor", "--backend", &patient(&url)]),
        0,
        "This is a single node",
    );
}

#[test]
fn each_right_that_a_user_of_redis_lacks_is_named() {
    let own = OwnRedis::start(&[]);
    let user = |acl: &str, missing: &str| {
        let acl = acl.replace("PREFIX", "funcify");
        let words = acl.split_whitespace().skip(2).filter(|word| *word != missing);
        let command: Vec<_> =
            ["ACL", "SETUSER", "tried", "reset"].into_iter().chain(words).collect();
        assert!(own.command(&command).contains("OK"));
    };
    let url = patient(&format!("redis://tried:PASSWORD@127.0.0.1:{}", own.port));
    for right in ["+evalsha", "+eval", "+hstrlen", "+hmget", "+hset", "+pexpire", "+del"] {
        user(OPERATOR_ACL, right);
        let ran = funcify(&["doctor", "--json", "--backend", &url]);
        assert_eq!(ran.code, 1, "{right}: {ran:?}");
        let found = ran.json();
        let bad: Vec<_> = found["checks"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|c| c["verdict"] == "failed")
            .collect();
        let named: Vec<_> = bad.iter().map(|check| check["check"].as_str().unwrap()).collect();
        assert!(named.contains(&right), "{right}: {bad:?}");
        let check = bad.iter().find(|check| check["check"] == right).unwrap();
        assert!(check["to_do"].as_str().unwrap().contains(right), "{check}");
    }
    // A function works without what an operator needs.
    user(ACL, "");
    let ran = funcify(&["doctor", "--backend", &url]);
    assert_says("a function's user", &ran, 0, "+scan warning");
    assert_says("a function's user", &ran, 0, "deploy/operator-redis.acl");
    user(OPERATOR_ACL, "");
    assert_says(
        "another prefix",
        &funcify(&["doctor", "--backend", &format!("{url}&prefix=other")]),
        1,
        "add ~PREFIX:*",
    );
}

#[test]
fn a_configuration_that_cannot_work_is_told_before_anything_is_sent() {
    for (set_up, url, sentence) in [
        ("no TLS to another machine", "redis://example.com", "needs TLS (rediss)"),
        ("an unknown scheme", "postgres://host", "got the scheme"),
        ("a path that is too long", "ssm:///a/b/c/d/e/f/g/h/i/j/k/l/m/n", "1 to 13 segments"),
        ("a path without a slash", "ssm://fleet", "expected"),
        ("an illegal table", "dynamodb://a", "3 to 255"),
        ("half a sort key", "dynamodb://fleet?sk=sort", "sk_value"),
        ("an unknown option", "redis://localhost?prefx=a", "prefx"),
        (
            "a file that is not there",
            "rediss://localhost?ca=/no/such/file.pem",
            "could be read from /no/such/file.pem",
        ),
        ("too short a limit", "redis://localhost?timeout=2", "100 to 10000"),
        ("the memory", "memory:", "nobody shares it"),
    ] {
        assert_says(set_up, &funcify(&["doctor", "--backend", url]), 2, sentence);
    }
    let seal = [("FUNCIFY_SEAL_KEYS", "x")];
    let ran = with(&["doctor", "--backend", "redis://localhost"], &seal);
    assert_says("a malformed key", &ran, 2, "FUNCIFY_SEAL_KEYS cannot be used");
    let region = [
        ("AWS_REGION", ""),
        ("AWS_DEFAULT_REGION", ""),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let ran = with(&["doctor", "--backend", "dynamodb://fleet"], &region);
    assert_says("no region", &ran, 2, "region");
}

#[test]
fn what_is_wrong_with_aws_is_told_with_what_to_do() {
    let none = [
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_SESSION_TOKEN", ""),
        ("AWS_PROFILE", ""),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let ran = with(&["doctor", "--backend", "dynamodb://fleet?timeout=10000"], &none);
    assert_says("no credentials", &ran, 1, "There are no AWS credentials");
    let ran = funcify(&["doctor", "--backend", "dynamodb://no-such-table?timeout=10000"]);
    assert_says("a missing table", &ran, 1, "funcify doctor --create");
    let table = format!("dynamodb://cli-{}?timeout=10000", free_port());
    let created = funcify(&["doctor", "--create", "--backend", &table]);
    assert_says("a table that is created", &created, 0, "A function works with this.");
    let elsewhere = format!("{table}&region=eu-west-3");
    assert_says(
        "another region",
        &funcify(&["doctor", "--backend", &elsewhere]),
        1,
        "check its name and the region",
    );
    let other_key = format!("{table}&pk=id");
    assert_says(
        "another key",
        &funcify(&["doctor", "--backend", &other_key]),
        1,
        "name it in the URL",
    );

    let message = "User: arn:aws:iam::111122223333:user/x is not authorized to perform this";
    for (backend, operation, code, message, exit, sentence) in [
        ("dynamodb", "GetItem", "AccessDeniedException", message, 1, "lacks dynamodb:GetItem"),
        ("dynamodb", "PutItem", "AccessDeniedException", message, 1, "lacks dynamodb:PutItem"),
        ("dynamodb", "Scan", "AccessDeniedException", message, 0, "lacks dynamodb:Scan"),
        (
            "dynamodb",
            "",
            "ExpiredTokenException",
            "The security token included in the request is expired",
            1,
            "have expired",
        ),
        (
            "dynamodb",
            "",
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
            1,
            "does not know these credentials",
        ),
        (
            "dynamodb",
            "",
            "InvalidSignatureException",
            "Signature expired: 20261127T100000Z is now earlier than 20261127T100500Z",
            1,
            "The clock of this machine is wrong",
        ),
        (
            "dynamodb",
            "",
            "InvalidSignatureException",
            "The request signature we calculated does not match",
            1,
            "does not belong to the access key",
        ),
        ("ssm", "PutParameter", "AccessDeniedException", message, 1, "lacks ssm:PutParameter"),
        ("ssm", "GetParameter", "AccessDeniedException", message, 1, "lacks ssm:GetParameter"),
        (
            "ssm",
            "GetParametersByPath",
            "AccessDeniedException",
            message,
            0,
            "lacks ssm:GetParametersByPath",
        ),
        (
            "ssm",
            "PutParameter",
            "AccessDeniedException",
            "is not authorized to perform: kms:Encrypt on resource",
            1,
            "may not use the KMS key",
        ),
        (
            "ssm",
            "PutParameter",
            "InvalidKeyId",
            "Alias alias/none is not found",
            1,
            "There is no such KMS key",
        ),
        (
            "ssm",
            "PutParameter",
            "HierarchyLevelLimitExceededException",
            "too many levels",
            1,
            "too many levels",
        ),
    ] {
        let endpoint = fake_aws::refusing(operation, code, message);
        let url = if backend == "ssm" {
            "ssm:///fleet?timeout=10000"
        } else {
            "dynamodb://fleet?timeout=10000"
        };
        let variables = [
            ("AWS_ENDPOINT_URL_DYNAMODB", endpoint.as_str()),
            ("AWS_ENDPOINT_URL_SSM", &endpoint),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "canary"),
            ("AWS_REGION", "eu-central-1"),
        ];
        let ran = with(&["doctor", "--backend", url], &variables);
        assert_says(&format!("{backend} {operation} {code}"), &ran, exit, sentence);
    }
    let gone = format!("http://127.0.0.1:{}", free_port());
    let ran = with(&["doctor", "--backend", "ssm:///fleet"], &[("AWS_ENDPOINT_URL_SSM", &gone)]);
    assert_says("no server", &ran, 1, "AWS cannot be reached");
}
