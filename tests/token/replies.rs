//! Responses of a token endpoint. Each line of `tests/inputs/replies.json` is one response with its
//! expected meaning.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{Router, body::Bytes, http::StatusCode, response::Response, routing::post};
use base64::{Engine, engine::general_purpose::STANDARD};
use funcify::{
    Stores, Timestamp, error_chain,
    token::{
        ClientCredentials, ClientSecret, Endpoint, GrantError, Token, TokenError, TokenGetter,
        TokenPolicy,
    },
};
use funcify_core::engine::{Clock, ManualClock};
use serde::Deserialize;

use crate::support::http::serve;

const SECRET: &str = "canary s3cr3t";

#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    /// A body of bytes that are not UTF-8.
    base64: Option<String>,
    /// A body of pieces, each with its number of repetitions.
    repeated: Option<Vec<(String, usize)>>,
    answer: String,
}

fn ok() -> u16 {
    200
}

impl Case {
    fn bytes(&self) -> Bytes {
        match (&self.body, &self.base64, &self.repeated) {
            (Some(text), None, None) => text.clone().into(),
            (None, Some(base64), None) => STANDARD.decode(base64).unwrap().into(),
            (None, None, Some(pieces)) => {
                pieces.iter().map(|(piece, times)| piece.repeat(*times)).collect::<String>().into()
            }
            _ => panic!("{}: one of body, base64 and repeated", self.name),
        }
    }

    fn reply(&self) -> Response {
        let mut reply = Response::new(self.bytes().into());
        *reply.status_mut() = StatusCode::from_u16(self.status).unwrap();
        for (name, value) in &self.headers {
            let name: axum::http::HeaderName = name.parse().unwrap();
            reply.headers_mut().insert(name, value.parse().unwrap());
        }
        reply
    }
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("../inputs/replies.json")).unwrap()
}

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The lifetime of a token whose response states none. No response in the file states this value.
const UNSTATED: Duration = Duration::from_secs(12_345);

fn meaning(answer: &Result<Token, TokenError>) -> String {
    let error = match answer {
        Ok(token) => return granted(token),
        Err(TokenError::Grant(error)) => error,
        Err(other) => return format!("{other:?}"),
    };
    let text = error_chain(&**error);
    match &**error {
        GrantError::Refused { .. } => format!("refused: {text}"),
        GrantError::Unavailable { retry_after, .. } => {
            let again = retry_after.map(|pause| format!(", again in {} s", pause.as_secs()));
            format!("unavailable{}: {text}", again.unwrap_or_default())
        }
        _ => text,
    }
}

fn granted(token: &Token) -> String {
    let text = match token.expose().len() {
        ..=64 => token.expose().to_owned(),
        length => format!("{length} characters"),
    };
    let life = token.expires_at().since(NOW);
    let life = (life != UNSTATED).then(|| format!(" for {} s", life.as_secs_f64()));
    let scope = token.scope().map(|scope| format!(", scope {scope}"));
    format!("granted {text}{}{}", life.unwrap_or_default(), scope.unwrap_or_default())
}

#[tokio::test]
async fn f23_each_response_of_a_provider_has_its_exact_meaning() {
    let cases = Arc::new(cases());
    let shown = Arc::clone(&cases);
    let answer = move |axum::extract::Path(place): axum::extract::Path<usize>| {
        let reply = shown[place].reply();
        async move { reply }
    };
    let base = serve(Router::new().route("/{place}", post(answer))).await;
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW));
    let mut wrong = Vec::new();
    for (place, case) in cases.iter().enumerate() {
        let url = Endpoint::TokenUrl(format!("{base}/{place}"));
        let credentials = ClientCredentials::new(url, "warehouse", ClientSecret::from(SECRET));
        let stores = Stores::from_url("memory:").await.unwrap();
        let mut policy = TokenPolicy::default();
        policy.default_lifetime = UNSTATED;
        let getter = TokenGetter::builder(credentials, stores.tokens)
            .clock(Arc::clone(&clock))
            .policy(policy)
            .build()
            .unwrap();
        let answer = getter.token().await;
        let shown = format!("{} {answer:?}", meaning(&answer));
        assert!(!shown.contains("canary") && !shown.contains("s3cr3t"), "{}: {shown}", case.name);
        if meaning(&answer) != case.answer {
            wrong.push(format!("{}: {}, not {}", case.name, meaning(&answer), case.answer));
        }
    }
    println!("{} responses of a provider", cases.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The mutant: a check that cannot distinguish two responses would let every case pass.
#[test]
fn no_two_cases_are_the_same_and_their_meanings_differ() {
    let cases = cases();
    let names: std::collections::BTreeSet<_> = cases.iter().map(|case| &case.name).collect();
    let answers: std::collections::BTreeSet<_> = cases.iter().map(|case| &case.answer).collect();
    assert_eq!(names.len(), cases.len());
    assert!(answers.len() >= 30, "{}", answers.len());
}
