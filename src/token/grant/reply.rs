use std::time::Duration;

use bytes::Bytes;
use funcify_core::token::{AccessToken, TokenPolicy};
use http::{
    HeaderMap, StatusCode,
    header::{DATE, RETRY_AFTER},
};
use serde::Deserialize;
use serde_json::Value;

use crate::token::grant::{GrantError, Granted};

/// What is wrong with the answer of an identity provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyFault {
    /// It is no JSON object with a token, but a page, say.
    #[error("expected a JSON object with `access_token` and `token_type`")]
    NotAToken,
    /// It is too large.
    #[error("the reply is larger than {limit} bytes")]
    TooLarge {
        /// How much is taken.
        limit: usize,
    },
    /// It sends the client, and so its secret, elsewhere.
    #[error("expected an answer, got a redirect ({status})")]
    Redirect {
        /// The HTTP status.
        status: u16,
    },
    /// The token is of a type that is not known here.
    #[error("expected a token of type `Bearer`")]
    TokenType,
    /// The token is empty, or does not fit into a header.
    #[error("expected a token of visible ASCII, at most 16 KB")]
    TokenText,
    /// The lifetime makes no sense.
    #[error("expected a lifetime between a second and a year")]
    ExpiresIn,
}

#[derive(Deserialize)]
struct Success {
    access_token: String,
    token_type: String,
    #[serde(default)]
    expires_in: Option<Value>,
    #[serde(default)]
    scope: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// Reads the answer of a token endpoint (RFC 6749 §5).
pub(super) fn parse(
    status: StatusCode,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Granted, GrantError> {
    if status.is_redirection() {
        return Err(GrantError::Reply(ReplyFault::Redirect { status: status.as_u16() }));
    }
    if status.is_success() {
        return success(body).map_err(GrantError::Reply);
    }
    let code = serde_json::from_slice::<Refusal>(body).ok().map(|refusal| refusal.error);
    let code = code.filter(|code| is_error_code(code));
    let is_transient = status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
        || matches!(
            code.as_deref(),
            Some("temporarily_unavailable" | "server_error" | "slow_down")
        );
    let status = status.as_u16();
    Err(if is_transient {
        GrantError::Unavailable { status, retry_after: retry_after(headers) }
    } else {
        GrantError::Refused { status, code: code.unwrap_or_else(|| format!("http_{status}")) }
    })
}

fn success(body: &Bytes) -> Result<Granted, ReplyFault> {
    let reply: Success = serde_json::from_slice(body).map_err(|_| ReplyFault::NotAToken)?;
    if !reply.token_type.eq_ignore_ascii_case("bearer") {
        return Err(ReplyFault::TokenType);
    }
    let text = reply.access_token;
    if !(1..=16_384).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ReplyFault::TokenText);
    }
    let expires_in = reply.expires_in.filter(|value| !value.is_null()).map(lifetime).transpose()?;
    Ok(Granted { token: AccessToken::new(text), expires_in, scope: reply.scope })
}

/// Seconds as a number, or as the text that some providers send instead.
fn lifetime(expires_in: Value) -> Result<Duration, ReplyFault> {
    let seconds = match &expires_in {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse::<u32>().ok().map(f64::from),
        _ => None,
    };
    let longest = TokenPolicy::LONGEST_LIFETIME.as_secs_f64();
    let seconds = seconds.filter(|seconds| (1.0..=longest).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or(ReplyFault::ExpiresIn)
}

/// An error code as RFC 6749 writes them. Only such a one is shown: it cannot hold a secret that
/// the provider sent back.
fn is_error_code(code: &str) -> bool {
    (1..=64).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// Seconds, or a date (RFC 9110, section 10.2.3), which is counted from the answer's own: that this
/// machine's clock is right nobody has promised.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| Some(headers.get(name)?.to_str().ok()?.trim());
    let after = text(RETRY_AFTER)?;
    if let Ok(seconds) = after.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text| httpdate::parse_http_date(text).ok();
    Some(date(after)?.duration_since(date(text(DATE)?)?).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Result<Granted, GrantError> {
        let status = StatusCode::from_u16(status).unwrap();
        parse(status, &HeaderMap::new(), &Bytes::copy_from_slice(body.as_bytes()))
    }

    fn granted(expires_in: &str) -> Result<Granted, GrantError> {
        answer(200, &format!(r#"{{"access_token":"t","token_type":"bearer"{expires_in}}}"#))
    }

    #[test]
    fn a_date_to_come_again_is_counted_from_the_answers_own() {
        let told = |after: &str, date: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, after.parse().unwrap());
            date.map(|date| headers.insert(DATE, date.parse().unwrap()));
            retry_after(&headers).map(|wait| wait.as_secs())
        };
        let (noon, later) = ("Fri, 06 Nov 2026 12:00:00 GMT", "Fri, 06 Nov 2026 12:00:07 GMT");
        assert_eq!(told(later, Some(noon)), Some(7));
        assert_eq!(told(noon, Some(later)), Some(0));
        assert_eq!(told(later, None), None);
        assert_eq!(told("soon", Some(noon)), None);
        assert_eq!(told("7", None), Some(7));
    }

    #[test]
    fn a_lifetime_is_a_number_of_seconds_that_makes_sense_or_left_out() {
        let life = |text: &str| {
            granted(text).map(|granted| granted.expires_in.map(|life| life.as_millis()))
        };
        assert_eq!(life("").unwrap(), None);
        assert_eq!(life(r#","expires_in":null"#).unwrap(), None);
        assert_eq!(life(r#","expires_in":3600"#).unwrap(), Some(3_600_000));
        assert_eq!(life(r#","expires_in":3599.5"#).unwrap(), Some(3_599_500));
        assert_eq!(life(r#","expires_in":"3600""#).unwrap(), Some(3_600_000));
        for odd in ["0", "-1", "1e18", "1e400", "\"soon\"", "\"-1\"", "true", "[]"] {
            assert!(life(&format!(r#","expires_in":{odd}"#)).is_err(), "{odd}");
        }
    }

    #[test]
    fn what_is_no_bearer_token_is_refused() {
        for body in [
            "<html>Sign in</html>",
            "",
            "null",
            "[]",
            r#"{"access_token":"t"}"#,
            r#"{"token_type":"Bearer"}"#,
            r#"{"access_token":"","token_type":"Bearer"}"#,
            r#"{"access_token":"a b","token_type":"Bearer"}"#,
            r#"{"access_token":"a\r\nX: y","token_type":"Bearer"}"#,
            r#"{"access_token":"ä","token_type":"Bearer"}"#,
            r#"{"access_token":7,"token_type":"Bearer"}"#,
            r#"{"access_token":"t","token_type":"DPoP"}"#,
            r#"{"access_token":"t","token_type":"mac"}"#,
        ] {
            assert!(matches!(answer(200, body), Err(GrantError::Reply(_))), "{body}");
        }
    }

    #[test]
    fn a_refusal_is_told_from_a_failure() {
        let code = |status, body| match answer(status, body).unwrap_err() {
            GrantError::Refused { code, .. } => code,
            GrantError::Unavailable { status, .. } => format!("unavailable {status}"),
            other => format!("{other:?}"),
        };
        assert_eq!(code(401, r#"{"error":"invalid_client"}"#), "invalid_client");
        assert_eq!(code(400, r#"{"error":"invalid_scope"}"#), "invalid_scope");
        assert_eq!(code(400, r#"{"error":"temporarily_unavailable"}"#), "unavailable 400");
        assert_eq!(code(403, "<html>"), "http_403");
        assert_eq!(code(429, "{}"), "unavailable 429");
        assert_eq!(code(500, r#"{"error":"invalid_client"}"#), "unavailable 500");
    }

    #[test]
    fn a_provider_that_echoes_the_secret_cannot_make_an_error_show_it() {
        let echo = r#"{"error":"Bad secret s3cr3t-canary","error_description":"s3cr3t-canary"}"#;
        let error = answer(401, echo).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"));
    }

    #[test]
    fn a_redirect_is_no_answer() {
        assert!(matches!(
            answer(302, "").unwrap_err(),
            GrantError::Reply(ReplyFault::Redirect { status: 302 })
        ));
    }
}
