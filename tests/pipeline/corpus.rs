//! The fixtures of other crates: each is recognised, and nothing of an HTTP request is lost.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use funcify::{
    pipeline::{Event, Kind},
    testing::TestEvent,
};
use serde_json::Value;

use super::requests::seen;
use crate::support::events;

/// Every event that the crates with types for events contain as a fixture, by file name.
pub(super) fn fixtures() -> BTreeMap<String, String> {
    // Only the crates of this platform. Those of other platforms may not be downloaded.
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let rustc = String::from_utf8(rustc.stdout).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--all-features", "--offline"])
        .args(["--filter-platform", host])
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let folder = |package: &str, folder: &str| {
        let packages = metadata["packages"].as_array().unwrap();
        let package = packages.iter().find(|found| found["name"] == package).unwrap();
        PathBuf::from(package["manifest_path"].as_str().unwrap()).with_file_name(folder)
    };
    let folders =
        [folder("aws_lambda_events", "src/fixtures"), folder("lambda_http", "tests/data")];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// The expected kind of each fixture, written by hand. A fixture that is not listed is unknown.
fn expected() -> BTreeMap<String, String> {
    let table = include_str!("corpus.txt");
    let rows = table.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    rows.map(|row| {
        let (kind, file) = row.split_once(char::is_whitespace).unwrap();
        (file.trim().to_owned(), kind.to_owned())
    })
    .collect()
}

#[test]
fn every_fixture_is_recognised_as_what_it_is() {
    let (fixtures, expected) = (fixtures(), expected());
    assert!(fixtures.len() >= 180, "only {} fixtures found", fixtures.len());
    for name in expected.keys() {
        assert!(fixtures.contains_key(name), "{name} is in the table, not in the crates");
    }
    let mut wrong = Vec::new();
    for (name, text) in &fixtures {
        let kind =
            text.parse::<Event>().map_or_else(|error| error.to_string(), |e| e.kind().to_string());
        let expected = expected.get(name).map_or("unknown", String::as_str);
        if kind != expected {
            wrong.push(format!("{kind} instead of {expected}: {name}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn no_header_parameter_cookie_or_byte_of_a_fixture_is_lost() {
    let mut requests = 0;
    for (name, text) in fixtures() {
        let event: Event = text.parse().unwrap();
        if !events::is_http(event.kind()) {
            continue;
        }
        requests += 1;
        let json: Value = serde_json::from_str(&text).unwrap();
        let seen = seen(&TestEvent::from(json.clone())).await;
        for (member, value) in pairs(&json, "multiValueHeaders", "headers") {
            let found = seen.all(&member.to_lowercase());
            assert!(found.contains(&&*value), "{name}: header {member}: {value} of {found:?}");
        }
        let query: Vec<(String, String)> =
            serde_urlencoded(seen.parts.uri.query().unwrap_or_default());
        let (multi, single) = ("multiValueQueryStringParameters", "queryStringParameters");
        let came_encoded = [Kind::Alb, Kind::VpcLatticeV1, Kind::VpcLatticeV2];
        if !came_encoded.contains(&event.kind()) && json.get("rawQueryString").is_none() {
            for pair in pairs(&json, multi, single) {
                assert!(query.contains(&pair), "{name}: {pair:?} of {query:?}");
            }
        }
        for cookie in json["cookies"].as_array().into_iter().flatten() {
            let cookie = cookie.as_str().unwrap();
            assert!(seen.all("cookie").iter().any(|all| all.contains(cookie)), "{name}: {cookie}");
        }
        if let (Some(body), Value::Bool(false) | Value::Null) =
            (json["body"].as_str(), &json["isBase64Encoded"])
        {
            assert_eq!(seen.body, body, "{name}");
        }
    }
    assert!(requests >= 25, "only {requests} requests among the fixtures");
}

/// The names and values of both maps. For a name in both maps, the values of the first.
pub(super) fn pairs(json: &Value, multi: &str, single: &str) -> Vec<(String, String)> {
    let members = |map: &str| json[map].as_object().cloned().unwrap_or_default().into_iter();
    let is_in_multi =
        |name: &str| members(multi).any(|(other, _)| other.eq_ignore_ascii_case(name));
    let only_single = members(single).filter(|(name, _)| !is_in_multi(name));
    let values = members(multi).chain(only_single).flat_map(|(name, value)| {
        let values = value.as_array().cloned().unwrap_or_else(|| vec![value]);
        values.into_iter().map(move |value| (name.clone(), value))
    });
    values.filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect()
}

fn serde_urlencoded(query: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}
