//! A fake Parameter Store that does what the test server does not: it keeps only 100 versions,
//! delays versions, throttles, and lets others overwrite parameters.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use funcify_backend_ssm::{SsmBackend, SsmConfig};
use serde_json::{Value, json};

use crate::support::{aws, http};

const KEPT: usize = 100;

#[derive(Clone, Debug, Default)]
pub(super) struct FakeSsm(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Each parameter: the number of its latest version, and the versions that are kept.
    pub(super) parameters: BTreeMap<String, (u64, BTreeMap<u64, String>)>,
    /// Versions that exist and cannot be read yet.
    pub(super) late: BTreeSet<u64>,
    /// Status and error code of the next writes; the write is applied before a 500.
    pub(super) refusals: VecDeque<(u16, &'static str)>,
    pub(super) gets: usize,
    pub(super) puts: Vec<Value>,
}

impl FakeSsm {
    /// A backend on this store. Several of them act like several processes.
    pub(super) async fn register(&self, config: SsmConfig) -> SsmBackend {
        let fake = self.clone();
        let answer = move |headers: HeaderMap, body: Bytes| async move {
            let request = serde_json::from_slice(&body).unwrap();
            let (status, body) = match headers["x-amz-target"].to_str().unwrap() {
                "AmazonSSM.GetParameter" => fake.contents().get(&request),
                "AmazonSSM.PutParameter" => fake.contents().put(request),
                other => panic!("the policy does not allow {other}"),
            };
            let kind = [("content-type", "application/x-amz-json-1.1")];
            (StatusCode::from_u16(status).unwrap(), kind, body.to_string())
        };
        let url = http::serve(Router::new().route("/", post(answer))).await;
        // What it answers is the question here, and not how soon: a request that a busy machine cuts off is ambiguous.
        let config = config.with_timeout(Duration::from_secs(10));
        SsmBackend::new(config, &aws::config(Some(&url)).await).unwrap()
    }

    pub(super) fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap()
    }
}

impl Contents {
    /// The only parameter.
    pub(super) fn only(&mut self) -> &mut (u64, BTreeMap<u64, String>) {
        self.parameters.values_mut().next().unwrap()
    }

    pub(super) fn write(&mut self, name: &str, value: &str) -> u64 {
        let (latest, versions) = self.parameters.entry(name.to_owned()).or_default();
        *latest += 1;
        versions.insert(*latest, value.to_owned());
        while versions.len() > KEPT {
            versions.pop_first();
        }
        *latest
    }

    fn get(&mut self, request: &Value) -> (u16, Value) {
        self.gets += 1;
        assert_eq!(request["WithDecryption"], json!(true));
        let asked = request["Name"].as_str().unwrap();
        let (name, version) = asked
            .split_once(':')
            .map_or((asked, None), |(name, version)| (name, Some(version.parse::<u64>().unwrap())));
        let Some((latest, versions)) = self.parameters.get(name) else {
            return error(400, "ParameterNotFound");
        };
        let readable = |version: &u64| !self.late.contains(version);
        let version = match version {
            Some(version) => Some(version).filter(readable),
            None => (1..=*latest).rev().find(readable),
        };
        match version.and_then(|version| Some((version, versions.get(&version)?))) {
            Some((version, value)) => {
                let parameter = json!({"Name": name, "Version": version, "Value": value, "Type": "SecureString"});
                (200, json!({ "Parameter": parameter }))
            }
            None => error(400, "ParameterVersionNotFound"),
        }
    }

    fn put(&mut self, request: Value) -> (u16, Value) {
        let refusal = self.refusals.pop_front();
        if let Some((status, code)) = refusal.filter(|(status, _)| *status < 500) {
            return error(status, code);
        }
        let (name, value) = (request["Name"].as_str().unwrap(), request["Value"].as_str().unwrap());
        assert!(!value.contains("{{"), "{value}");
        if self.parameters.contains_key(name) && request["Overwrite"] != json!(true) {
            return error(400, "ParameterAlreadyExists");
        }
        let version = self.write(name, value);
        self.puts.push(request);
        match refusal {
            Some((status, code)) => error(status, code),
            None => (200, json!({"Version": version, "Tier": "Standard"})),
        }
    }
}

fn error(status: u16, code: &str) -> (u16, Value) {
    (status, json!({"__type": code, "message": "refused by the fake"}))
}
