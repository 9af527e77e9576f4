//! AWS credentials from a profile, as on a laptop: a `credential_process` works, and an unusable profile is named with the
//! cause.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::sharing::fleet::{self, Member};
use crate::support::attempt::unique;
use crate::support::process::Process;

/// A file that is removed with the test.
struct Temporary(PathBuf);

impl Temporary {
    fn file(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(unique(name));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    /// A configuration whose only profile has these lines.
    fn config(lines: &str) -> Self {
        Self::file("aws-config", &format!("[default]\nregion = us-east-1\n{lines}\n"))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

/// A member on DynamoDB whose credentials are those of this file.
async fn member(config: &Temporary, name: &str, steps: &str) -> Command {
    let mut command = fleet::command(name, steps);
    command.env("FUNCIFY_BACKEND", fleet::dynamodb().await);
    for variable in ["ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE"] {
        command.env_remove(format!("AWS_{variable}"));
    }
    command.env("AWS_CONFIG_FILE", &config.0).env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("RUST_LOG", "funcify_core=debug,funcify=warn");
    command
}

#[tokio::test]
#[cfg_attr(own_dynamodb, ignore = "DynamoDB is your own, and takes other credentials")]
async fn credentials_of_a_process_open_the_store() {
    // It takes longer than one attempt may. It is not started anew for the next.
    let script = Temporary::file(
        "aws-process",
        "sleep 0.7\necho '{\"Version\":1,\"AccessKeyId\":\"test\",\"SecretAccessKey\":\"test\"}'\n",
    );
    let config = Temporary::config(&format!("credential_process = /bin/sh {}", script.0.display()));
    let name = unique("process");
    for minted in [true, false] {
        let member = Member::run(member(&config, &name, "token").await);
        assert_eq!(member.took("token").await["minted"], minted);
        member.ended().await;
    }
}

#[tokio::test]
#[cfg_attr(own_dynamodb, ignore = "DynamoDB is your own, and takes other credentials")]
async fn credentials_that_cannot_be_had_are_named_with_their_cause_each_time() {
    let of_sso = "sso_start_url = https://sso.example/start\nsso_region = eu-central-1\n\
                  sso_account_id = 111122223333\nsso_role_name = x";
    for (profile, cause) in [
        ("credential_process = /bin/false", "process"),
        ("source_profile = nobody\nrole_arn = arn:aws:iam::111122223333:role/x", "nobody"),
        (of_sso, "sso"),
    ] {
        let config = Temporary::config(profile);
        let mut member = Process::start(member(&config, &unique("cause"), "call token").await);
        member.ended(Duration::from_secs(40)).await;
        let (log, output) = (member.stderr(), member.stdout());
        let lines = log.lines().chain(output.lines());
        let said: Vec<_> = lines.filter(|line| line.contains("store failed")).collect();
        assert!(said.len() >= 2, "of the circuit and of the token: {profile}: {log} {output}");
        for line in said {
            println!("{line}");
            assert!(line.to_lowercase().contains(cause), "{profile}: {line}");
            assert!(!line.contains("already taken"), "{profile}: {line}");
        }
    }
}
