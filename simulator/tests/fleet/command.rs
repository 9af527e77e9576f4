//! The command `examples/fleet`, as scripts call it.

use std::{
    collections::BTreeSet,
    env, fs,
    process::{Command, Output},
};

use serde_json::Value;

fn fleet(arguments: &[&str]) -> Output {
    command().args(arguments).output().unwrap()
}

/// The built example, which cargo puts beside this test.
fn command() -> Command {
    let test = env::current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    let path = profile.join("examples").join(format!("fleet{}", env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{} is missing: run cargo build --examples", path.display());
    Command::new(path)
}

#[test]
fn with_json_it_prints_one_object_for_each_scenario_and_nothing_else() {
    let twice = ["--json", "--instances", "20", "--seed", "9"];
    let scenarios = ["--scenario", "recovery", "--scenario", "cold-burst"];
    let output = fleet(&[&twice[..], &scenarios[..]].concat());
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    for (line, name) in lines.iter().zip(["recovery", "cold-burst"]) {
        let members: BTreeSet<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, BTreeSet::from(["figures", "instances", "scenario", "seed"]));
        assert_eq!((&line["scenario"], &line["seed"]), (&Value::from(name), &Value::from(9)));
        assert_eq!(line["instances"], 20);
    }
    assert!(lines[0]["figures"]["seconds_to_closed"].is_number());
    assert_eq!(lines[1]["figures"]["grants"], 1);
}

#[test]
fn invalid_arguments_exit_with_2_and_an_explanation() {
    let folder = tempfolder();
    let written = |name: &str, text: &str| {
        let file = folder.join(name);
        fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let broken = written("broken.json", "{");
    let impossible = written("impossible.toml", "quorum = 0");
    let foreign = written("policy.yaml", "quorum: 1");
    let cases: [(&[&str], &str); 11] = [
        (&["--sunshine"], "--sunshine"),
        (&["--scenario", "sunshine"], "sunshine"),
        (&["--scenario"], "a name, got nothing"),
        (&["--instances", "0"], "from 1 on"),
        (&["--seed", "x"], "--seed"),
        (&["--hours", "-1"], "--hours"),
        (&["--svg", "all.svg"], "--scenario"),
        (&["--policy", "nowhere.json"], "nowhere.json"),
        (&["--policy", &broken], "broken.json"),
        (&["--policy", &impossible], "quorum"),
        (&["--policy", &foreign], ".toml"),
    ];
    for (arguments, explanation) in cases {
        let output = fleet(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(explanation), "{error}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_policy_in_toml_and_the_same_in_json_give_the_same_figures() {
    let folder = tempfolder();
    let (toml, json) = (folder.join("policy.toml"), folder.join("policy.json"));
    fs::write(&toml, "open_duration = 5\n[rule.count]\nfailures = 2\nwindow = 60\n").unwrap();
    fs::write(&json, r#"{"open_duration":5,"rule":{"count":{"failures":2,"window":60}}}"#).unwrap();
    let of = |file: &std::path::Path| {
        let file = file.to_str().unwrap();
        let arguments = ["--json", "--scenario", "recovery", "--instances", "20", "--policy", file];
        serde_json::from_slice::<Value>(&fleet(&arguments).stdout).unwrap()
    };
    let (toml, json) = (of(&toml), of(&json));
    assert_eq!(toml, json);
    assert!(toml["figures"]["seconds_to_closed"].as_f64().unwrap() < 8.0, "{toml}");
}

#[test]
fn it_writes_a_picture_and_prints_a_table_with_each_limit() {
    let image = tempfolder().join("recovery.svg");
    let svg = image.to_str().unwrap();
    let output = fleet(&["--scenario", "recovery", "--instances", "20", "--svg", svg]);
    let table = String::from_utf8(output.stdout).unwrap();
    for shown in ["seconds_to_closed", "at most 33", "ok", "state"] {
        assert!(table.contains(shown), "{shown} is missing in\n{table}");
    }
    assert!(fs::read_to_string(image).unwrap().starts_with("<svg "));
}

#[test]
fn a_reader_that_closes_the_pipe_is_not_an_error() {
    use std::{io::Read, process::Stdio};
    let mut command = command();
    let scenarios = ["--instances", "20", "--scenario", "recovery", "--scenario", "cold-burst"];
    let mut child = command.args(scenarios).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = [0];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert!(child.wait().unwrap().success());
}

fn tempfolder() -> std::path::PathBuf {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("simulator");
    fs::create_dir_all(&folder).unwrap();
    folder
}
