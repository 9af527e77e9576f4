//! The environment variables. They are global, so each case runs in a process of its own.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use super::SECRET;
use crate::sharing::fleet::command;
use crate::support::process::Process;

/// Runs a process that reads these variables and ends. Returns its exit code and standard error.
async fn configured(variables: &[(&str, &OsStr)]) -> (Option<i32>, String) {
    let mut command = command("configured", "");
    // The AWS set-up of a developer's machine must not decide.
    command.env_remove("AWS_CA_BUNDLE").env("AWS_EC2_METADATA_DISABLED", "true");
    for (name, value) in variables {
        command.env(name, value);
    }
    let mut process = Process::start(command);
    let status = process.ended(Duration::from_secs(30)).await;
    let shown = format!("{}{}", process.stdout(), process.stderr());
    assert!(!shown.contains(SECRET), "{shown}");
    (status.code(), process.stderr())
}

/// Variables, and two texts that the error must contain.
type Case<'a> = (&'a [(&'a str, &'a str)], [&'a str; 2]);

#[tokio::test]
async fn an_invalid_variable_is_named_and_nothing_is_started() {
    const BOTH: &str = "FUNCIFY_BACKEND";
    const TOKENS: &str = "FUNCIFY_TOKENS";
    const CIRCUITS: &str = "FUNCIFY_CIRCUITS";
    const SEAL: &str = "FUNCIFY_SEAL_KEYS";
    const IDEMPOTENCY: &str = "FUNCIFY_IDEMPOTENCY";
    let cases: [Case<'_>; 21] = [
        (&[], [BOTH, "is not set"]),
        (&[(BOTH, "")], [BOTH, "is not set"]),
        (&[(TOKENS, "memory:")], ["neither FUNCIFY_CIRCUITS", "nor FUNCIFY_BACKEND is set"]),
        (&[(CIRCUITS, "memory:")], ["neither FUNCIFY_TOKENS", "nor FUNCIFY_BACKEND is set"]),
        (&[(BOTH, "c4n4ry")], [BOTH, "expected memory:"]),
        (&[(BOTH, "http://user:c4n4ry@host")], [BOTH, "\"http\""]),
        (&[(BOTH, "redis://user:c4n4ry@far.example")], [BOTH, "insecure=true"]),
        (&[(BOTH, "rediss://host?ca=/no/such/ca.pem")], [BOTH, "/no/such/ca.pem"]),
        (&[(BOTH, "memory:"), (TOKENS, "http://user:c4n4ry@host")], [TOKENS, "\"http\""]),
        (&[(BOTH, "memory:"), (TOKENS, "ssm:///aws/c")], [TOKENS, "\"/aws/c\""]),
        (&[(BOTH, "memory:"), (CIRCUITS, "dynamodb://ab")], [CIRCUITS, "\"ab\""]),
        (&[(TOKENS, "memory:"), (CIRCUITS, "redis://h?x=c4n4ry")], [CIRCUITS, "\"x\""]),
        (&[(BOTH, "memory:"), (IDEMPOTENCY, "dynamodb://ab")], [IDEMPOTENCY, "\"ab\""]),
        (&[(IDEMPOTENCY, "memory:")], [BOTH, "is not set"]),
        // It names the store of idempotency.
        (
            &[(BOTH, "c4n4ry"), (TOKENS, "memory:"), (CIRCUITS, "memory:")],
            [BOTH, "expected memory:"],
        ),
        (&[(BOTH, "memory:"), (SEAL, "")], [SEAL, "key 1 is invalid"]),
        (&[(BOTH, "memory:"), (SEAL, "c4n4ry")], [SEAL, "key 1 is invalid"]),
        (
            &[(BOTH, "memory:"), (SEAL, "one:c4n4ry")],
            [SEAL, "key 1 is invalid: expected 32 bytes as base64"],
        ),
        (
            &[(BOTH, "memory:"), (SEAL, "c4n4ry:one")],
            [SEAL, "key 1 is invalid: expected 32 bytes as base64"],
        ),
        (
            &[(BOTH, "dynamodb://fleet"), ("AWS_CA_BUNDLE", "/no/such/bundle.pem")],
            ["AWS_CA_BUNDLE", "/no/such/bundle.pem"],
        ),
        (
            &[(BOTH, "ssm:///fleet"), ("AWS_CA_BUNDLE", "/dev/null")],
            ["AWS_CA_BUNDLE", "no PEM certificates"],
        ),
    ];
    for (variables, expected) in cases {
        let pairs: Vec<_> =
            variables.iter().map(|(name, value)| (*name, OsStr::new(value))).collect();
        let (code, stderr) = configured(&pairs).await;
        assert_eq!(code, Some(2), "{variables:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        for part in expected {
            assert!(stderr.contains(part), "{variables:?}: {stderr}");
        }
    }
}

#[tokio::test]
async fn a_value_that_is_not_unicode_is_named_and_not_shown() {
    let (code, stderr) =
        configured(&[("FUNCIFY_BACKEND", OsStr::from_bytes(b"redis://\xff"))]).await;
    assert_eq!(code, Some(2));
    assert!(stderr.contains("FUNCIFY_BACKEND") && stderr.contains("Unicode"), "{stderr}");
}

#[tokio::test]
async fn a_valid_environment_is_accepted_without_a_server() {
    let cases: [&[(&str, &str)]; 7] = [
        &[("FUNCIFY_BACKEND", "memory:")],
        &[("FUNCIFY_BACKEND", "rediss://user:c4n4ry@far.example")],
        &[("FUNCIFY_BACKEND", "dynamodb://fleet")],
        &[("FUNCIFY_BACKEND", "memory:"), ("FUNCIFY_TOKENS", "ssm:///fleet")],
        &[("FUNCIFY_BACKEND", "ssm:///fleet"), ("FUNCIFY_IDEMPOTENCY", "dynamodb://done")],
        // FUNCIFY_BACKEND is not read if all parts override it.
        &[
            ("FUNCIFY_BACKEND", "nothing"),
            ("FUNCIFY_TOKENS", "ssm:///fleet"),
            ("FUNCIFY_CIRCUITS", "dynamodb://fleet"),
            ("FUNCIFY_IDEMPOTENCY", "dynamodb://fleet"),
        ],
        &[("FUNCIFY_BACKEND", "memory:"), ("FUNCIFY_TOKENS", ""), ("FUNCIFY_CIRCUITS", "")],
    ];
    for variables in cases {
        let pairs: Vec<_> =
            variables.iter().map(|(name, value)| (*name, OsStr::new(value))).collect();
        let (code, stderr) = configured(&pairs).await;
        assert_eq!((code, &*stderr), (Some(0), ""), "{variables:?}");
    }
}

#[tokio::test]
async fn an_aws_backend_without_any_region_is_refused_and_the_error_names_the_region() {
    for (url, code) in [
        ("dynamodb://fleet", 2),
        ("ssm:///fleet", 2),
        ("dynamodb://fleet?region=eu-central-1", 0),
        ("ssm:///fleet?region=eu-central-1", 0),
    ] {
        let mut command = command("configured", "");
        for variable in ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_CA_BUNDLE"] {
            command.env_remove(variable);
        }
        command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("FUNCIFY_BACKEND", url);
        let mut process = Process::start(command);
        let status = process.ended(Duration::from_secs(30)).await;
        assert_eq!(status.code(), Some(code), "{url}: {}", process.stderr());
        assert_eq!(process.stderr().contains("region"), code == 2, "{}", process.stderr());
    }
}
