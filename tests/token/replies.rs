//! Answers of a token endpoint, a case a line in `tests/inputs/replies.json`, each with its exact
//! meaning.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Router, body::Bytes, http::StatusCode, response::Response, routing::post};
use base64::{Engine, engine::general_purpose::STANDARD};
use funcify::{
    error_chain, http_client,
    token::{
        ClientAuthentication, ClientCredentials, ClientSecret, Endpoint, Grant, GrantError,
        Granted, HttpGrant,
    },
};
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
    /// Or bytes that are no text.
    base64: Option<String>,
    /// Or pieces, and how often each stands there.
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

fn meaning(answer: &Result<Granted, GrantError>) -> String {
    match answer {
        Ok(Granted { token, expires_in, scope }) => {
            let token = token.expose();
            let token = match token.len() {
                ..=64 => token.to_owned(),
                length => format!("{length} characters"),
            };
            let life = expires_in.map(|life| format!(" for {} s", life.as_secs_f64()));
            let scope = scope.as_ref().map(|scope| format!(", scope {scope}"));
            format!("granted {token}{}{}", life.unwrap_or_default(), scope.unwrap_or_default())
        }
        Err(error) => {
            let told = error_chain(error);
            let again =
                error.retry_after().map(|pause| format!(", again in {} s", pause.as_secs()));
            match error {
                GrantError::Refused { .. } => format!("refused: {told}"),
                GrantError::Unavailable { .. } => {
                    format!("unavailable{}: {told}", again.unwrap_or_default())
                }
                _ => told,
            }
        }
    }
}

#[tokio::test]
async fn f23_each_answer_of_a_provider_has_its_exact_meaning() {
    let cases = Arc::new(cases());
    let shown = Arc::clone(&cases);
    let answer = move |axum::extract::Path(place): axum::extract::Path<usize>| {
        let reply = shown[place].reply();
        async move { reply }
    };
    let base = serve(Router::new().route("/{place}", post(answer))).await;
    let grant = HttpGrant::new(http_client(&[]).unwrap());
    let mut wrong = Vec::new();
    for (place, case) in cases.iter().enumerate() {
        let url = Endpoint::TokenUrl(format!("{base}/{place}"));
        let basic = ClientAuthentication::basic(ClientSecret::new(SECRET));
        let credentials =
            ClientCredentials::new(url, "warehouse", basic).with_plain_http_on_loopback();
        let answer = grant.grant(&credentials, Some(&ClientSecret::new(SECRET))).await;
        let told = format!("{} {answer:?}", meaning(&answer));
        assert!(!told.contains("canary") && !told.contains("s3cr3t"), "{}: {told}", case.name);
        if meaning(&answer) != case.answer {
            wrong.push(format!("{}: {}, not {}", case.name, meaning(&answer), case.answer));
        }
    }
    println!("{} answers of a provider", cases.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The mutant: a check that takes any answer for any other would pass everything.
#[test]
fn no_two_cases_are_the_same_and_their_answers_differ() {
    let cases = cases();
    let names: std::collections::BTreeSet<_> = cases.iter().map(|case| &case.name).collect();
    let answers: std::collections::BTreeSet<_> = cases.iter().map(|case| &case.answer).collect();
    assert_eq!(names.len(), cases.len());
    assert!(answers.len() >= 30, "{}", answers.len());
}
