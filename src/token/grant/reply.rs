use std::time::{Duration, UNIX_EPOCH};

use funcify_core::{
    Timestamp,
    circuit::CallOutcome,
    token::{AccessToken, TokenPolicy},
};
use http::{HeaderMap, StatusCode, header::DATE};
use serde::Deserialize;
use serde_json::Value;

use super::Granted;
use super::error::GrantError;
use crate::client::{outcome_of, retry_after};

/// The longest token that is accepted: 16 KB. Servers accept 8 to 16 KB of headers.
const LONGEST_TOKEN: usize = 16_384;

/// Why the response of an identity provider cannot be used.
#[derive(Debug, thiserror::Error)]
pub(in crate::token) enum ReplyError {
    /// The body is something else, such as a sign-in page.
    #[error("expected a JSON object with `access_token`")]
    NotAToken,
    #[error("expected a response of at most {limit} bytes")]
    TooLarge { limit: usize },
    /// A redirect would send the secret to another server.
    #[error("expected a token, got a redirect ({status})")]
    Redirect { status: u16 },
    #[error(
        "expected a token of type `Bearer`, or of a type in `ClientCredentials::accepted_types`, got {got}"
    )]
    TokenType { got: String },
    #[error("expected the scope as a text or a list of texts")]
    Scope,
    /// The token is empty, or a header cannot contain it.
    #[error("expected a token of visible ASCII, at most 16 KB")]
    TokenText,
    #[error("expected a lifetime of at least 1 second")]
    ExpiresIn,
}

impl From<ReplyError> for GrantError {
    fn from(error: ReplyError) -> Self {
        Self::Reply(error.into())
    }
}

#[derive(Deserialize)]
struct Success {
    access_token: AccessToken,
    #[serde(default)]
    token_type: Option<Value>,
    #[serde(default)]
    expires_in: Option<Value>,
    #[serde(default)]
    scope: Option<Value>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// Reads the response of a token endpoint (RFC 6749 §5). `types` are the values of `token_type` that are
/// accepted in addition to `Bearer`.
///
/// An error code in the body counts even if the status is 200. Without an error code, only a 401 is a
/// refusal: any other error may be the page of a proxy or a firewall, which says nothing about the client.
pub(super) fn parse(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    types: &[String],
) -> Result<Granted, GrantError> {
    if status.is_redirection() {
        return Err(ReplyError::Redirect { status: status.as_u16() }.into());
    }
    let code = serde_json::from_slice::<Refusal>(body).ok().map(|refusal| refusal.error);
    let code = code.filter(|code| is_error_code(code));
    if status.is_success() && code.is_none() {
        return Ok(Granted { issued_at: issued_at(headers), ..success(body, types)? });
    }
    let is_transient = outcome_of(status) == CallOutcome::Failure
        || status == StatusCode::REQUEST_TIMEOUT
        || matches!(
            code.as_deref(),
            Some("temporarily_unavailable" | "server_error" | "slow_down")
        );
    let refused = match code {
        None if status == StatusCode::UNAUTHORIZED => Some("http_401".to_owned()),
        code => code,
    };
    let status = status.as_u16();
    Err(match refused.filter(|_| !is_transient) {
        Some(code) => GrantError::Refused { status, code },
        None => GrantError::Unavailable { status, retry_after: pause(headers) },
    })
}

fn success(body: &[u8], types: &[String]) -> Result<Granted, ReplyError> {
    let reply: Success = serde_json::from_slice(body).map_err(|_| ReplyError::NotAToken)?;
    check_type(reply.token_type.as_ref(), types)?;
    let text = reply.access_token.expose();
    if !(1..=LONGEST_TOKEN).contains(&text.len())
        || !text.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Err(ReplyError::TokenText);
    }
    let expires_in = reply.expires_in.filter(|value| !value.is_null()).map(lifetime).transpose()?;
    let scope = reply.scope.filter(|value| !value.is_null()).map(scope).transpose()?;
    Ok(Granted { expires_in, scope, ..reply.access_token.into() })
}

/// Accepts `Bearer` and any of `types`. An empty text in `types` accepts a response without a type.
fn check_type(token_type: Option<&Value>, types: &[String]) -> Result<(), ReplyError> {
    let stated = match token_type {
        None | Some(Value::Null) => "",
        Some(Value::String(text)) => text.trim(),
        Some(_) => {
            return Err(ReplyError::TokenType { got: "something that is not a text".into() });
        }
    };
    let accepted = types.iter().map(String::as_str).chain(["Bearer"]);
    if accepted.into_iter().any(|accepted| accepted.eq_ignore_ascii_case(stated)) {
        return Ok(());
    }
    // The name of a type is a short word. Any other text could be the token, so the error does not show it.
    let is_name = stated.len() <= 16 && stated.bytes().all(|byte| byte.is_ascii_alphabetic());
    let got = match stated {
        "" => "none".to_owned(),
        _ if is_name => format!("`{stated}`"),
        _ => "another text".to_owned(),
    };
    Err(ReplyError::TokenType { got })
}

/// The scope: a text, or the list of texts that some providers send instead.
fn scope(scope: Value) -> Result<String, ReplyError> {
    match scope {
        Value::String(text) => Ok(text),
        Value::Array(list) => {
            let scopes: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
            scopes.map(|scopes| scopes.join(" ")).ok_or(ReplyError::Scope)
        }
        _ => Err(ReplyError::Scope),
    }
}

/// The lifetime: seconds, as a number or as the string that some providers send instead. Of a longer
/// lifetime, 366 days count.
fn lifetime(expires_in: Value) -> Result<Duration, ReplyError> {
    let seconds = match &expires_in {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse::<u64>().ok().map(|seconds| seconds as f64),
        _ => None,
    };
    let longest = TokenPolicy::LONGEST_LIFETIME.as_secs_f64();
    let seconds = seconds.filter(|seconds| *seconds >= 1.0).map(|seconds| seconds.min(longest));
    seconds.map(Duration::from_secs_f64).ok_or(ReplyError::ExpiresIn)
}

/// Whether this is a code like those of RFC 6749 §5.2. Other texts are never shown, because they may contain
/// a secret that the provider sent back.
fn is_error_code(code: &str) -> bool {
    (1..=64).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// The provider's `Retry-After`, of which at most 60 s count.
fn pause(headers: &HeaderMap) -> Option<Duration> {
    retry_after(headers).map(|pause| pause.min(TokenPolicy::LONGEST_PAUSE))
}

/// The time of the response by the provider's clock.
fn issued_at(headers: &HeaderMap) -> Option<Timestamp> {
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?.trim()).ok()?;
    let since_epoch = date.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::EPOCH + since_epoch)
}

#[cfg(test)]
mod tests {
    use http::header::RETRY_AFTER;

    use super::*;

    fn response(status: u16, body: &str) -> Result<Granted, GrantError> {
        let status = StatusCode::from_u16(status).unwrap();
        parse(status, &HeaderMap::new(), body.as_bytes(), &[])
    }

    fn granted(expires_in: &str) -> Result<Granted, GrantError> {
        response(200, &format!(r#"{{"access_token":"t","token_type":"bearer"{expires_in}}}"#))
    }

    #[test]
    fn a_retry_after_date_counts_from_the_responses_own_date() {
        let wait = |after: &str, date: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, after.parse().unwrap());
            date.map(|date| headers.insert(DATE, date.parse().unwrap()));
            pause(&headers).map(|wait| wait.as_secs())
        };
        let (noon, later) = ("Fri, 06 Nov 2026 12:00:00 GMT", "Fri, 06 Nov 2026 12:00:07 GMT");
        assert_eq!(wait(later, Some(noon)), Some(7));
        assert_eq!(wait(noon, Some(later)), Some(0));
        assert_eq!(wait(later, None), None);
        assert_eq!(wait("soon", Some(noon)), None);
        assert_eq!(wait("7", None), Some(7));
        assert_eq!(wait("86400", None), Some(60), "nobody waits for longer than a minute");
    }

    #[test]
    fn a_lifetime_is_absent_or_at_least_a_second_and_at_most_a_year_counts() {
        let life = |text: &str| {
            granted(text).map(|granted| granted.expires_in.map(|life| life.as_millis()))
        };
        assert_eq!(life("").unwrap(), None);
        assert_eq!(life(r#","expires_in":null"#).unwrap(), None);
        assert_eq!(life(r#","expires_in":3600"#).unwrap(), Some(3_600_000));
        assert_eq!(life(r#","expires_in":3599.5"#).unwrap(), Some(3_599_500));
        assert_eq!(life(r#","expires_in":"3600""#).unwrap(), Some(3_600_000));
        let year = 366 * 86_400_000;
        for long in ["157680000", "1e18", "\"99999999999\""] {
            assert_eq!(life(&format!(r#","expires_in":{long}"#)).unwrap(), Some(year), "{long}");
        }
        for odd in ["0", "-1", "1e400", "\"soon\"", "\"-1\"", "true", "[]"] {
            assert!(life(&format!(r#","expires_in":{odd}"#)).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_response_without_a_bearer_token_is_an_error() {
        for body in [
            "<html>Sign in</html>",
            "",
            "null",
            "[]",
            r#"{"token_type":"Bearer"}"#,
            r#"{"access_token":"","token_type":"Bearer"}"#,
            r#"{"access_token":"a b","token_type":"Bearer"}"#,
            r#"{"access_token":"a\r\nX: y","token_type":"Bearer"}"#,
            r#"{"access_token":"ä","token_type":"Bearer"}"#,
            r#"{"access_token":7,"token_type":"Bearer"}"#,
            r#"{"access_token":"t","token_type":"DPoP"}"#,
            r#"{"access_token":"t","token_type":"mac"}"#,
        ] {
            assert!(matches!(response(200, body), Err(GrantError::Reply(_))), "{body}");
        }
    }

    #[test]
    fn refusals_and_failures_are_distinguished() {
        let code = |status, body| match response(status, body).unwrap_err() {
            GrantError::Refused { code, .. } => code,
            GrantError::Unavailable { status, .. } => format!("unavailable {status}"),
            other => format!("{other:?}"),
        };
        assert_eq!(code(401, r#"{"error":"invalid_client"}"#), "invalid_client");
        assert_eq!(code(400, r#"{"error":"invalid_scope"}"#), "invalid_scope");
        assert_eq!(code(400, r#"{"error":"temporarily_unavailable"}"#), "unavailable 400");
        assert_eq!(code(200, r#"{"error":"invalid_client"}"#), "invalid_client");
        assert_eq!(code(401, "<html>"), "http_401");
        assert_eq!(code(403, "<html>"), "unavailable 403");
        assert_eq!(code(404, "no such tenant"), "unavailable 404");
        assert_eq!(code(429, "{}"), "unavailable 429");
        assert_eq!(code(500, r#"{"error":"invalid_client"}"#), "unavailable 500");
    }

    #[test]
    fn a_provider_that_echoes_the_secret_cannot_make_an_error_show_it() {
        let echo = r#"{"error":"Bad secret s3cr3t-canary","error_description":"s3cr3t-canary"}"#;
        let error = response(401, echo).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"));
    }

    #[test]
    fn a_redirect_is_an_error() {
        let GrantError::Reply(error) = response(302, "").unwrap_err() else { panic!("no reply") };
        assert_eq!(error.to_string(), "expected a token, got a redirect (302)");
    }

    #[test]
    fn a_type_is_bearer_or_one_that_the_client_accepts() {
        let check = |stated: &str, types: &[&str]| {
            let types: Vec<String> = types.iter().map(|&name| name.to_owned()).collect();
            let body = format!(r#"{{"access_token":"canary"{stated}}}"#);
            parse(StatusCode::OK, &HeaderMap::new(), body.as_bytes(), &types)
                .map(|_| ())
                .map_err(|error| crate::error_chain(&error))
        };
        assert_eq!(check(r#","token_type":"BEARER""#, &[]), Ok(()));
        assert_eq!(check(r#","token_type":"bearer_token""#, &["bearer_token"]), Ok(()));
        assert_eq!(check("", &[""]), Ok(()), "a response may state none");
        for (stated, got) in [
            ("", "got none"),
            (r#","token_type":null"#, "got none"),
            (r#","token_type":"mac""#, "got `mac`"),
            (r#","token_type":"canary canary""#, "got another text"),
            (r#","token_type":["Bearer"]"#, "got something that is not a text"),
        ] {
            let error = check(stated, &[]).unwrap_err();
            assert!(error.contains(got) && !error.contains("canary"), "{stated}: {error}");
        }
    }

    #[test]
    fn a_scope_is_a_text_or_a_list_of_texts() {
        let scope = |text: &str| granted(text).map(|granted| granted.scope);
        assert_eq!(scope(r#","scope":"a b""#).unwrap(), Some("a b".to_owned()));
        assert_eq!(scope(r#","scope":["a","b"]"#).unwrap(), Some("a b".to_owned()));
        assert_eq!(scope(r#","scope":null"#).unwrap(), None);
        assert!(scope(r#","scope":[1]"#).is_err() && scope(r#","scope":{}"#).is_err());
    }
}
