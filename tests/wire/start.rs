//! How a function starts, and says why it does not.

use std::time::Duration;

use serde_json::json;

use super::{Function, LIMIT};
use crate::support::events;

#[tokio::test]
async fn an_error_at_the_start_is_reported_to_lambda_and_logged() {
    for (how, missing, reason) in [
        ("broken", None, "the function cannot start: no warehouse"),
        ("buffered", Some("AWS_LAMBDA_FUNCTION_NAME"), "AWS_LAMBDA_FUNCTION_NAME"),
        ("streamed", Some("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
    ] {
        let mut function = Function::start_with(how, LIMIT, |command, _| {
            if let Some(missing) = missing {
                command.env_remove(missing);
            }
        })
        .await;
        let status = function.process.ended(Duration::from_secs(20)).await;
        assert_eq!(status.code(), Some(2), "{}", function.process.stderr());
        let error = function.api.init_error().unwrap_or_else(|| panic!("{how}: no report"));
        assert_eq!(error["errorType"], "Runtime.ConfigInvalid");
        assert!(error["errorMessage"].as_str().unwrap().contains(reason), "{error}");
        let stdout = function.process.stdout();
        assert!(
            stdout.contains("the function cannot start") && stdout.contains(reason),
            "{stdout}"
        );
    }
}

/// As `cargo lambda watch` sets them.
#[tokio::test]
async fn the_runtime_api_may_be_a_url_with_a_path_and_a_deadline_in_1970_is_none() {
    for how in ["buffered", "streamed"] {
        let function = Function::start_with(how, LIMIT, |command, api| {
            command.env("AWS_LAMBDA_RUNTIME_API", format!("http://{}/.rt/wire", api.endpoint()));
        })
        .await;
        for deadline in ["600000", "0"] {
            function.api.send_deadline(deadline);
            let answer = function.answers(&events::http_get("/text")).await.json();
            assert_eq!((&answer["statusCode"], &answer["cookies"]), (&json!(200), &json!([])));
        }
        assert!(function.sent_for(0)[0].line.contains(" /.rt/wire/2018-06-01/"));
        function.answers(&events::function_url(http::Method::GET, "/pieces")).await;
        assert_eq!(function.api.streamed(), u64::from(how == "streamed"));
    }
}
