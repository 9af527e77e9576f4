//! Sends the corpus through `lambda_http` and through funcify, and compares what each of them loses.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
};

use funcify::{
    pipeline::{Event, Kind},
    testing::TestEvent,
};
use http::{HeaderMap, Method};
use serde_json::Value;

use super::{
    corpus::{self, pairs},
    requests::reached,
};
use crate::support::events;

/// What one library made of the events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Verdicts {
    /// A handler gets every header, parameter, cookie and byte of the body.
    whole: usize,
    /// A handler gets a request, but some of these are missing.
    lossy: usize,
    /// No handler gets a request.
    refused: usize,
    panicked: usize,
}

/// The request that reached a handler.
struct Arrived {
    headers: HeaderMap,
    query: String,
    body: Vec<u8>,
}

enum Fate {
    Request(Arrived),
    Refused,
    Panicked,
}

async fn ours(event: &TestEvent) -> Fate {
    let (processed, seen) = reached(event).await;
    match seen {
        _ if format!("{processed:?}").contains("panicked") => Fate::Panicked,
        None => Fate::Refused,
        Some(seen) => Fate::Request(Arrived {
            query: seen.parts.uri.query().unwrap_or_default().to_owned(),
            headers: seen.parts.headers,
            body: seen.body.to_vec(),
        }),
    }
}

fn theirs(event: &TestEvent) -> Fate {
    let text = event.to_string();
    match catch_unwind(AssertUnwindSafe(|| lambda_http::request::from_str(&text))) {
        Err(_) => Fate::Panicked,
        Ok(Err(_)) => Fate::Refused,
        Ok(Ok(request)) => Fate::Request(Arrived {
            headers: request.headers().clone(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            body: request.body().to_vec(),
        }),
    }
}

impl Verdicts {
    fn count(&mut self, fate: &Fate, json: &Value, kind: Kind) {
        let verdict = match fate {
            Fate::Request(arrived) if arrived.is_whole(json, kind) => &mut self.whole,
            Fate::Request(_) => &mut self.lossy,
            Fate::Refused => &mut self.refused,
            Fate::Panicked => &mut self.panicked,
        };
        *verdict += 1;
    }

    fn total(self) -> usize {
        self.whole + self.lossy + self.refused + self.panicked
    }
}

fn decoded(query: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

impl Arrived {
    fn is_whole(&self, json: &Value, kind: Kind) -> bool {
        self.has_headers(json) && self.has_query(json, kind) && self.has_body(json)
    }

    fn has_headers(&self, json: &Value) -> bool {
        let has = |name: &str, value: &str| {
            self.headers.get_all(name).iter().any(|found| found.as_bytes() == value.as_bytes())
        };
        let cookies = || self.headers.get_all("cookie").iter().filter_map(|all| all.to_str().ok());
        let mut expected = json["cookies"].as_array().into_iter().flatten();
        pairs(json, "multiValueHeaders", "headers").iter().all(|(name, value)| has(name, value))
            && expected.all(|one| cookies().any(|all| all.contains(one.as_str().unwrap())))
    }

    fn has_query(&self, json: &Value, kind: Kind) -> bool {
        let found = decoded(&self.query);
        let expected = if let Some(raw) = json["rawQueryString"].as_str() {
            decoded(raw)
        } else if let Some((_, raw)) = json["raw_path"].as_str().and_then(|p| p.split_once('?')) {
            decoded(raw)
        } else {
            let given = pairs(json, "multiValueQueryStringParameters", "queryStringParameters");
            // ALB and VPC Lattice deliver names and values as the client encoded them.
            let encoded = [Kind::Alb, Kind::VpcLatticeV2].contains(&kind);
            let decode = |(name, value): (String, String)| decoded(&format!("{name}={value}"));
            if encoded { given.into_iter().flat_map(decode).collect() } else { given }
        };
        expected.iter().all(|pair| found.contains(pair))
    }

    fn has_body(&self, json: &Value) -> bool {
        match (json["body"].as_str(), &json["isBase64Encoded"]) {
            (Some(body), Value::Null | Value::Bool(false)) => self.body == body.as_bytes(),
            _ => true,
        }
    }
}

/// One request for each source that has everything: repeated headers and parameters, cookies, a body.
fn rich() -> Vec<TestEvent> {
    // The value of `t` is `50% of a+b&c=d ü`.
    let path = "/orders/a%20b?q=1&q=2&t=50%25%20of%20a%2Bb%26c%3Dd%20%C3%BC";
    let rich = |event: TestEvent| {
        let event = event.header("x-a", "1").header("x-a", "2").header("x-b", "a, b");
        event.header("cookie", "a=1; b=2").body("{\"grüße\":\"\\n\"}")
    };
    let put = || Method::PUT;
    [
        events::rest_request(put(), path),
        events::http_v1_payload(put(), path),
        events::http_request(put(), path),
        events::function_url(put(), path),
        events::alb(put(), path),
        events::alb_multi_value(put(), path),
    ]
    .map(rich)
    .into()
}

/// Complete requests with one unusual part that a client can send.
fn awkward() -> Vec<TestEvent> {
    let fixtures = corpus::fixtures();
    let bases = [
        ("example-apigw-request.json", "path"),
        ("example-apigw-v2-request-iam.json", "rawPath"),
        ("alb_request.json", "path"),
        ("example-vpc-lattice-v2-request.json", "path"),
    ];
    let mut events = Vec::new();
    for (fixture, path) in bases {
        let base: Value = serde_json::from_str(&fixtures[fixture]).unwrap();
        let mut push = |set: &dyn Fn(&mut Value)| {
            let mut event = base.clone();
            set(&mut event);
            events.push(TestEvent::from(event));
        };
        let paths =
            ["/a b", "/<b>", "/grüße", "/a\\b", "/%zz", "/../b", "/%2e%2e/b", "/a%2Fb", "//b"];
        for awkward in paths {
            push(&|event| event[path] = awkward.into());
        }
        for host in ["a b", "exa<mple", "ex:am:ple", "[::1", "é", "api.example.com:x", "%"] {
            push(&|event| {
                let is_list = event["headers"]["host"].is_array();
                event["headers"]["host"] =
                    if is_list { [host].into_iter().collect() } else { host.into() };
            });
        }
        push(&|event| {
            event["body"] = "*".into();
            event["isBase64Encoded"] = true.into();
        });
    }
    events
}

type Table = BTreeMap<(&'static str, String), (Verdicts, Verdicts)>;

async fn judge(table: &mut Table, group: &'static str, event: TestEvent) {
    let text = event.to_string();
    let kind = text.parse().map_or(Kind::Unknown, |event: Event| event.kind());
    let json: Value = serde_json::from_str(&text).unwrap();
    let row = if events::is_http(kind) { kind.to_string() } else { "no request".to_owned() };
    let (ours_here, theirs_here) = table.entry((group, row)).or_default();
    ours_here.count(&ours(&event).await, &json, kind);
    theirs_here.count(&theirs(&event), &json, kind);
}

fn written(table: &Table) -> String {
    let mut text = String::from(
        "| events | kind | of them | funcify: whole, lossy, refused, panicked | \
         lambda_http: whole, lossy, refused, panicked |\n|---|---|--:|---|---|\n",
    );
    let four = |v: &Verdicts| format!("{}, {}, {}, {}", v.whole, v.lossy, v.refused, v.panicked);
    for ((group, kind), (ours, theirs)) in table {
        let (total, ours, theirs) = (ours.total(), four(ours), four(theirs));
        writeln!(text, "| {group} | {kind} | {total} | {ours} | {theirs} |").unwrap();
    }
    text
}

#[tokio::test]
async fn the_docs_say_what_lambda_http_loses_of_the_corpus() {
    let mut table = Table::new();
    for text in corpus::fixtures().into_values() {
        let event = TestEvent::from(serde_json::from_str::<Value>(&text).unwrap());
        judge(&mut table, "fixtures", event).await;
    }
    for event in rich() {
        judge(&mut table, "everything repeated", event).await;
    }
    for event in awkward() {
        judge(&mut table, "fixtures made awkward", event).await;
    }
    let text = written(&table);
    println!("{text}");
    for ((group, kind), (ours, _)) in &table {
        assert_eq!(ours.panicked, 0, "{group}, {kind}");
        assert_eq!(ours.lossy, 0, "{group}, {kind}");
        assert!(kind != "no request" || ours.whole == 0, "{group}");
    }
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/pipeline.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    assert!(docs.contains(&text), "the docs have another table:\n{text}");
}
