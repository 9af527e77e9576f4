//! Circuits and tokens on each store, from the first failure to the closed circuit.

use std::time::{Duration, SystemTime};

use funcify::{
    CircuitBreaker, Stores, Timestamp,
    circuit::{CircuitPolicy, CircuitRecord},
    register::{RecordName, Swap, WriteId},
};
use funcify_core::token::{AccessToken, TokenRecord};

use crate::support::{OwnRedis, funcify, stores, with};

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_five_questions_are_answered_and_a_circuit_is_steered_on_each_store() {
    for url in stores() {
        if url.starts_with("dynamodb:") {
            let created = funcify(&["doctor", "--create", "--backend", &url]);
            assert_eq!(created.code, 0, "{created:?}");
        }
        let run = |arguments: &[&str]| funcify(&[arguments, &["--backend", &url]].concat());
        let empty = run(&["circuit", "list"]);
        assert_eq!(empty.code, 0, "{url} {empty:?}");
        assert!(empty.out.contains("no circuit has a record"), "{empty:?}");
        let absent = run(&["circuit", "show", "warehouse"]);
        assert!(absent.out.contains("there is no record"), "{absent:?}");

        let store = Stores::from_url(&url).await.unwrap();
        let circuit = CircuitBreaker::new(
            "warehouse",
            CircuitPolicy::for_token_endpoint(),
            store.circuits.clone(),
        )
        .unwrap()
        .with_instance("0a3c9be2");
        for _ in 0..3 {
            drop(circuit.call(async || Err::<(), _>("refused")).await);
        }

        // Is it open, since when, why, who is affected?
        let shown = run(&["circuit", "show", "warehouse", "--json", "--fail-if-open"]);
        assert_eq!(shown.code, 1, "{url} {shown:?}");
        let shown = shown.json();
        assert_eq!((&shown["state"], &shown["cause"]), (&"open".into(), &"failures".into()));
        assert_eq!(shown["history"][0]["instance"], "0a3c9be2", "{shown}");
        let text = run(&["circuit", "show", "warehouse"]).out;
        assert!(text.contains("refused, until probes succeed"), "{text}");
        assert!(text.starts_with(" circuit ") && !text.contains(" \n"), "{text}");
        let listed = run(&["circuit", "list", "--state", "open"]);
        assert!(listed.out.contains("warehouse") && listed.out.contains("failures"), "{listed:?}");
        assert!(!listed.out.contains('\u{1b}'), "no colours without a terminal: {listed:?}");

        // Nobody can be asked, so nothing changes.
        let asked = run(&["circuit", "close", "warehouse"]);
        assert_eq!(asked.code, 2, "{asked:?}");
        assert!(asked.err.contains("--yes"), "{asked:?}");
        assert_eq!(run(&["circuit", "show", "warehouse", "--fail-if-open"]).code, 1);

        let closed = run(&["circuit", "close", "warehouse", "--yes", "--by", "ann@desk", "--json"]);
        assert_eq!(closed.code, 0, "{closed:?}");
        let closed = closed.json();
        assert_eq!(closed["epoch"], shown["epoch"].as_u64().unwrap() + 1);
        let last = closed["history"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(
            (&last["to"], &last["cause"], &last["instance"]),
            (&"closed".into(), &"override".into(), &"ann".into())
        );

        // An override with a reason, seen by the fleet.
        let opened = run(&[
            "circuit",
            "open",
            "warehouse",
            "--for",
            "30m",
            "--reason",
            "it moves",
            "--by",
            "bob",
            "--yes",
        ]);
        assert_eq!(opened.code, 0, "{opened:?}");
        assert!(
            opened.err.contains("every call of the fleet"),
            "it says first what it does: {opened:?}"
        );
        assert!(
            opened.out.contains("forced open by bob") && opened.out.contains("it moves"),
            "{opened:?}"
        );
        // All its calls are refused, so it is among the open ones.
        let listed = run(&["circuit", "list", "--state", "open"]);
        assert!(
            listed.out.contains("forced open") && listed.out.contains("it moves"),
            "{listed:?}"
        );
        let another = CircuitBreaker::new(
            "warehouse",
            CircuitPolicy::for_token_endpoint(),
            store.circuits.clone(),
        );
        assert!(another.unwrap().call(async || Ok::<_, &str>(())).await.is_err());
        assert_eq!(run(&["circuit", "close", "warehouse", "--yes"]).code, 0);
        assert_eq!(run(&["circuit", "show", "warehouse", "--fail-if-open"]).code, 0);
        let again = run(&["circuit", "close", "warehouse", "--yes"]);
        assert!(again.out.contains("nothing was changed"), "{again:?}");
        assert!(!again.out.contains("misspelt"), "{again:?}");
        let misspelt = run(&["circuit", "close", "warehose", "--yes"]);
        assert!(misspelt.out.contains("misspelt"), "{misspelt:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_shown_without_itself_marked_and_forgotten_on_each_store() {
    let keys = "2026-11:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    for url in stores() {
        let run = |arguments: &[&str]| funcify(&[arguments, &["--backend", &url]].concat());
        if url.starts_with("dynamodb:") {
            assert_eq!(run(&["doctor", "--create"]).code, 0);
        }
        let store = Stores::from_url(&url).await.unwrap();
        let hour = Duration::from_secs(3_600);
        let record = TokenRecord {
            token: Some(AccessToken::from("canary")),
            scope: Some("orders:read".to_owned()),
            minted_at: now(),
            refresh_at: now() + hour,
            expires_at: now() + hour * 2,
            ..TokenRecord::default()
        };
        let [plain, sealed] = ["plain", "sealed"].map(|key| key.parse().unwrap());
        store.tokens.write(&plain, None, WriteId::random(), &record).await.unwrap();
        let sealing = store.clone().sealed(keys).unwrap();
        sealing.tokens.write(&sealed, None, WriteId::random(), &record).await.unwrap();

        let listed = run(&["token", "list"]);
        assert!(listed.out.contains("plain") && listed.out.contains("valid"), "{url} {listed:?}");
        let shown = run(&["token", "show", "plain"]);
        assert!(
            shown.out.contains("orders:read") && shown.out.contains("fingerprint"),
            "{shown:?}"
        );
        for ran in [&listed, &shown, &run(&["token", "show", "plain", "--json"])] {
            assert_eq!(ran.code, 0, "{ran:?}");
            assert!(!ran.out.contains("canary") && !ran.err.contains("canary"), "{ran:?}");
        }

        let rotated = run(&["token", "rotate", "plain", "--yes"]);
        assert_eq!(rotated.code, 0, "{rotated:?}");
        let due = store.tokens.read(&plain).await.unwrap().unwrap().value;
        assert!(due.refresh_at <= now() && due.token == record.token, "{due:?}");

        // The seal covers the times.
        let refused = run(&["token", "rotate", "sealed", "--yes"]);
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.err.contains("FUNCIFY_SEAL_KEYS"), "{refused:?}");
        let variables = [("FUNCIFY_BACKEND", url.as_str()), ("FUNCIFY_SEAL_KEYS", keys)];
        let rotated = with(&["token", "rotate", "sealed", "--yes"], &variables);
        assert_eq!(rotated.code, 0, "{rotated:?}");
        let due = sealing.tokens.read(&sealed).await.unwrap().unwrap();
        assert!(due.corruption.is_none() && due.value.refresh_at <= now(), "{due:?}");

        assert_eq!(run(&["token", "forget", "plain", "--yes"]).code, 0);
        let empty = store.tokens.read(&plain).await.unwrap().unwrap().value;
        assert_eq!(empty, TokenRecord::default());
        assert_eq!(run(&["token", "show", "nobody"]).code, 2);
    }
}

/// A fleet that writes all the time, and an operator whose swap loses again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_override_is_set_beside_a_busy_fleet_and_what_the_fleet_counted_is_kept() {
    let own = OwnRedis::start(&[]);
    let url = own.url();
    let store = Stores::from_url(&url).await.unwrap();
    let name = "busy".parse().unwrap();
    // The fleet finds at each read whether a write of its own was overwritten.
    let writes = tokio::spawn({
        let (store, name): (Stores, RecordName) = (store.clone(), name);
        async move {
            let mut counted = 0;
            loop {
                let found = store.circuits.circuit_state(&name).await.unwrap();
                let expected = found.as_ref().map(|found| found.version);
                let mut next = found.map_or_else(CircuitRecord::default, |found| found.value);
                assert!(next.epoch >= counted, "{} was counted, {} is there", counted, next.epoch);
                next.epoch += 1;
                let id = WriteId::random();
                let swap = store.circuits.update_state(&name, expected, id, &next).await;
                if let Ok(Swap::Applied(_)) = swap {
                    counted = next.epoch;
                }
            }
        }
    });
    for _ in 0..5 {
        let before = funcify(&["circuit", "show", "busy", "--json", "--backend", &url]).json();
        let set = tokio::task::spawn_blocking({
            let url = url.clone();
            move || {
                funcify(&[
                    "circuit",
                    "disable",
                    "busy",
                    "--for",
                    "1h",
                    "--reason",
                    "r",
                    "--yes",
                    "--json",
                    "--backend",
                    &url,
                ])
            }
        });
        let set = set.await.unwrap();
        assert_eq!(set.code, 0, "{set:?}");
        let after = set.json();
        assert_eq!(after["override"]["mode"], "disabled", "{after}");
        assert!(after["epoch"].as_u64() >= before["epoch"].as_u64(), "{after}");
    }
    if writes.is_finished() {
        panic!("a write of the fleet was lost: {:?}", writes.await);
    }
    writes.abort();
}

#[test]
fn what_cannot_be_meant_is_refused_with_what_to_do() {
    let memory = funcify(&["circuit", "list", "--backend", "memory:"]);
    assert_eq!(memory.code, 2, "{memory:?}");
    assert!(memory.err.contains("nobody shares it"), "{memory:?}");
    let nothing = funcify(&["circuit", "list"]);
    assert_eq!(nothing.code, 2, "{nothing:?}");
    assert!(nothing.err.contains("FUNCIFY_BACKEND is not set"), "{nothing:?}");
    let down = funcify(&["circuit", "list", "--backend", "redis://127.0.0.1:1"]);
    assert_eq!(down.code, 3, "{down:?}");
    assert!(down.err.contains("Check host, port and network"), "{down:?}");
    let long = "x".repeat(65);
    for arguments in [
        ["circuit", "open", "a", "--for", "8d", "--reason", "r"],
        ["circuit", "open", "a", "--for", "0s", "--reason", "r"],
        ["circuit", "open", "a", "--for", "1h", "--reason", ""],
        ["circuit", "open", "a", "--for", "1h", "--reason", &long],
        ["circuit", "open", "a", "--for", "soon", "--reason", "r"],
        ["circuit", "open", "a/b", "--for", "1h", "--reason", "r"],
    ] {
        let refused =
            funcify(&[&arguments[..], &["--yes", "--backend", "redis://127.0.0.1:1"]].concat());
        assert_eq!(refused.code, 2, "{refused:?}");
    }
}

#[test]
fn completions_the_manual_page_and_a_simulation_are_printed() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(funcify(&["completions", shell]).out.contains("circuit"), "{shell}");
    }
    assert!(funcify(&["man"]).out.contains(".TH funcify"));
    let simulated = funcify(&["simulate", "--scenario", "outage", "--instances", "20", "--json"]);
    assert_eq!(simulated.json()["scenario"], "outage", "{simulated:?}");
    assert_eq!(funcify(&["simulate", "--scenario", "none"]).code, 2);
}
