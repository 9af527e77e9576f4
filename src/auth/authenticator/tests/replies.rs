//! Replies of an issuer. Each is a row in `tests/inputs/issuer.json` with its exact verdict.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use funcify_core::engine::causes;
use serde::Deserialize;

use crate::auth::authenticator::tests::provider::{
    KEYS, ROCA_MODULUS, Reply, WEAK_MODULUS, encode, modulus,
};
use crate::auth::authenticator::tests::{
    Provider, Unauthenticated, authenticator_with_userinfo, identify, token_of, verdict,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    of: Endpoint,
    answer: String,
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    headers: Vec<String>,
    #[serde(default)]
    body: Text,
    /// Replaces the body, for bytes that are not text.
    base64: Option<String>,
    /// A `content-length` that may be wrong. By default it is correct.
    length: Option<usize>,
    #[serde(default)]
    no_length: bool,
    #[serde(default)]
    chunked: bool,
    /// The bytes to send, instead of all the members above.
    raw: Option<Text>,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Endpoint {
    Jwks,
    Userinfo,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Plain(String),
    /// Pieces of text, and how often each is repeated.
    Repeated(Vec<(String, usize)>),
}

impl Default for Text {
    fn default() -> Self {
        Self::Plain(String::new())
    }
}

fn ok() -> u16 {
    200
}

impl Text {
    /// The text, with its placeholders replaced with the keys of this run.
    fn filled(&self, origin: &str) -> String {
        let text = match self {
            Self::Plain(text) => text.clone(),
            Self::Repeated(pieces) => {
                pieces.iter().map(|(piece, times)| piece.repeat(*times)).collect()
            }
        };
        if !text.contains("{{") {
            return text;
        }
        let padded = URL_SAFE_NO_PAD.decode(WEAK_MODULUS).unwrap();
        let padded = encode([vec![0; 200], padded].concat());
        let marked = [
            ("{{n}}", encode(modulus(&KEYS.rsa))),
            ("{{other_n}}", encode(modulus(&KEYS.other_rsa))),
            ("{{roca_n}}", ROCA_MODULUS.to_owned()),
            ("{{weak_n}}", WEAK_MODULUS.to_owned()),
            ("{{weak_n_padded}}", padded),
            ("{{origin}}", origin.to_owned()),
        ];
        marked.into_iter().fold(text, |text, (mark, value)| text.replace(mark, &value))
    }
}

impl Row {
    fn reply(&self, origin: &str) -> Vec<u8> {
        if let Some(raw) = &self.raw {
            return raw.filled(origin).into_bytes();
        }
        let body = match &self.base64 {
            Some(base64) => STANDARD.decode(base64).unwrap(),
            None => self.body.filled(origin).into_bytes(),
        };
        let mut reply = format!("HTTP/1.1 {} Set\r\nconnection: close\r\n", self.status);
        for header in &self.headers {
            reply += &format!("{}\r\n", Text::Plain(header.clone()).filled(origin));
        }
        if self.chunked {
            let chunks = body.chunks(8_192).flat_map(|chunk| {
                [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat()
            });
            let head = format!("{reply}transfer-encoding: chunked\r\n\r\n").into_bytes();
            return head.into_iter().chain(chunks).chain(*b"0\r\n\r\n").collect();
        }
        if !self.no_length {
            reply += &format!("content-length: {}\r\n", self.length.unwrap_or(body.len()));
        }
        [reply.as_bytes(), b"\r\n", &body].concat()
    }

    async fn verdict(&self) -> String {
        let provider = Provider::start().await;
        let path = match self.of {
            Endpoint::Jwks => "/jwks",
            Endpoint::Userinfo => "/userinfo",
        };
        provider.reply(path, Reply::Bytes(self.reply(&provider.origin)));
        let authenticator = authenticator_with_userinfo(&provider);
        let caller = identify(&authenticator, &token_of("rsa")).await;
        let answer = match (self.of, &caller) {
            (Endpoint::Userinfo, Ok(caller)) => described(&caller.userinfo().await),
            _ => described(&caller),
        };
        assert!(provider.requests("/other").is_empty(), "{}: a redirect was followed", self.name);
        answer
    }
}

/// The verdict. For an outage, also funcify's own errors among the causes.
fn described<T>(result: &Result<T, Unauthenticated>) -> String {
    let mut described = verdict(result);
    if let Err(Unauthenticated::Unavailable(cause)) = result {
        for cause in causes(&**cause).take_while(|cause| !cause.is::<reqwest::Error>()) {
            described += &format!(": {cause}");
        }
    }
    described
}

#[tokio::test]
async fn every_reply_of_an_issuer_gets_its_exact_verdict() {
    let rows: Vec<Row> =
        serde_json::from_str(include_str!("../../../../tests/inputs/issuer.json")).unwrap();
    assert!(rows.len() >= 150, "{}", rows.len());
    let mut wrong = Vec::new();
    for row in &rows {
        let got = row.verdict().await;
        if got != row.answer {
            wrong.push(format!("{}: expected {:?}, got {got:?}", row.name, row.answer));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
