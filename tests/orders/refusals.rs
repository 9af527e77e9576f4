//! Faults in the arguments or settings: one line names the fault before the first event runs.

use std::{fs, path::PathBuf, process};

use super::{orders, run};

/// A file with this content.
fn file(name: &str, content: &[u8]) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = path.join(format!("orders-{}-{name}", process::id()));
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn invalid_arguments_and_files_are_named() {
    let cut = file("cut.json", br#"{"version": "2.0", "#);
    let empty = file("empty.json", b"");
    let latin = file("latin.json", b"\"\xe9\"");
    let good = file("good.json", b"{}");
    for (arguments, named) in [
        (&[cut.as_str()][..], cut.as_str()),
        (&[good.as_str(), &cut], &cut),
        (&[&empty], &empty),
        (&[&latin], &latin),
        (&["no-such.json"], "no-such.json"),
        (&["--colour"], "--colour"),
        (&["--json", "-x"], "-x"),
        (&["--idp"], "--idp"),
        (&["--idp", "--json"], "--idp"),
        (&["--idp", "http://127.0.0.1:1"], "FUNCIFY_CLIENT_ID, FUNCIFY_CLIENT_SECRET"),
    ] {
        refused(arguments, &[], named).await;
    }
}

#[tokio::test]
async fn invalid_settings_are_named_and_no_secret_is_shown() {
    let client = [("FUNCIFY_CLIENT_ID", "basic"), ("FUNCIFY_CLIENT_SECRET", "canary")];
    refused(&["--idp", "http://login.example"], &client, "FUNCIFY_ISSUER").await;
    refused(&["--idp", "https://user:canary@login.example"], &client, "FUNCIFY_ISSUER").await;
    for (variable, url, named) in [
        ("FUNCIFY_BACKEND", "nonsense://", "nonsense"),
        ("FUNCIFY_BACKEND", "canary", "memory:, redis://"),
        ("FUNCIFY_BACKEND", "memory://canary", "memory:"),
        ("FUNCIFY_BACKEND", "redis://user:canary@remote", "remote"),
        ("FUNCIFY_BACKEND", "redis://user:canary@127.0.0.1?colour=red", "colour"),
        ("FUNCIFY_BACKEND", "redis://user:canary@127.0.0.1:99999", "port"),
        ("FUNCIFY_BACKEND", "redis://user:canary@", "host"),
        ("FUNCIFY_BACKEND", "dynamodb://orders?colour=red", "colour"),
        ("FUNCIFY_BACKEND", "dynamodb://", "TABLE"),
        ("FUNCIFY_BACKEND", "ssm://orders", "ssm:///path"),
        ("FUNCIFY_BACKEND", "ssm:///orders?tier=gold", "tier"),
        ("FUNCIFY_CIRCUITS", "nonsense://", "FUNCIFY_CIRCUITS"),
        ("FUNCIFY_TOKENS", "memory:", "FUNCIFY_BACKEND"),
    ] {
        refused(&["--json"], &[(variable, url)], named).await;
    }
}

/// Asserts exit code 2, one line that contains `named`, and no data.
async fn refused(arguments: &[&str], variables: &[(&str, &str)], named: &str) {
    let mut command = orders(arguments);
    command.envs(variables.iter().copied());
    let (code, stdout, stderr) = run(command).await;
    let case = format!("{arguments:?} {variables:?}: {stderr}");
    assert_eq!((code, stdout.as_str()), (2, ""), "{case}");
    assert_eq!(stderr.lines().count(), 1, "{case}");
    assert!(stderr.starts_with("orders: ") && stderr.contains(named), "{case}");
    assert!(!stderr.contains("canary"), "{case}");
}
