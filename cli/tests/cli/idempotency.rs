//! Idempotency keys on each store.

use funcify::{
    Idempotency, Stores,
    register::{Swap, WriteId},
};

use crate::support::{OwnRedis, funcify, stores, with};

async fn charge(payments: &Idempotency, payload: &str) -> Result<String, String> {
    let work = async |_| Ok::<_, std::io::Error>("canary".to_owned());
    payments.run("order 7", payload, work).await.map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_shown_without_its_answer_and_forgotten_on_each_store() {
    for url in stores() {
        let run = |arguments: &[&str]| funcify(&[arguments, &["--backend", &url]].concat());
        if url.starts_with("ssm:") {
            let none = run(&["idempotency", "show", "payments.a"]);
            assert_eq!(none.code, 2, "{none:?}");
            assert!(none.err.contains("keeps no idempotency keys"), "{none:?}");
            continue;
        }
        if url.starts_with("dynamodb:") {
            assert_eq!(run(&["doctor", "--create"]).code, 0);
        }
        let payments =
            Idempotency::new("payments", Stores::from_url(&url).await.unwrap().idempotency);
        let payments = payments.unwrap();
        assert_eq!(charge(&payments, "500").await.unwrap(), "canary");

        let key = ["order 7", "--scope", "payments"];
        let show = |more: &[&str]| run(&[&["idempotency", "show"][..], &key, more].concat());
        let shown = show(&[]);
        assert_eq!(shown.code, 0, "{url} {shown:?}");
        assert!(shown.out.contains("completed") && shown.out.contains("gets the answer"));
        let json = show(&["--json"]).json();
        assert_eq!((&json["state"], &json["attempts"]), (&"completed".into(), &1.into()));
        for ran in [&shown, &show(&["--json"])] {
            assert!(!ran.out.contains("canary") && !ran.err.contains("canary"), "{ran:?}");
        }
        assert_eq!(show(&["--json", "--output"]).json()["answer"]["Ok"], "canary");
        let by_name = run(&["idempotency", "show", json["name"].as_str().unwrap()]);
        assert_eq!(by_name.out.lines().next(), shown.out.lines().next(), "{by_name:?}");

        assert!(charge(&payments, "600").await.is_err(), "another payload does not get the key");
        let asked = run(&[&["idempotency", "forget"][..], &key].concat());
        assert_eq!(asked.code, 2, "there is no terminal: {asked:?}");
        let forgot = run(&[&["idempotency", "forget", "--yes", "--json"][..], &key].concat());
        assert_eq!(forgot.json()["changed"], true, "{forgot:?}");
        assert_eq!(show(&["--json"]).json()["state"], "free");
        assert_eq!(charge(&payments, "600").await.unwrap(), "canary");
        assert_eq!(run(&["idempotency", "show", "payments.nobody"]).code, 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sealed_answer_is_shown_only_with_its_keys() {
    let (own, keys) = (OwnRedis::start(&[]), "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let sealed = Stores::from_url(&own.url()).await.unwrap().sealed(keys).unwrap();
    charge(&Idempotency::new("payments", sealed.idempotency).unwrap(), "1").await.unwrap();
    let show = ["idempotency", "show", "order 7", "--scope", "payments", "--json", "--output"];
    let url = own.url();
    let without = with(&show, &[("FUNCIFY_BACKEND", &url)]);
    assert_eq!(without.code, 2, "{without:?}");
    assert!(without.err.contains("FUNCIFY_SEAL_KEYS"), "{without:?}");
    let with_keys = with(&show, &[("FUNCIFY_BACKEND", &url), ("FUNCIFY_SEAL_KEYS", keys)]);
    assert_eq!(with_keys.json()["answer"]["Ok"], "canary", "{with_keys:?}");
}

/// A fleet that claims the same key all the time. An operator's swap never undoes a claim that it has not read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_forgotten_beside_a_busy_fleet_and_no_fence_is_given_twice() {
    let own = OwnRedis::start(&[]);
    let url = own.url();
    let store = Stores::from_url(&url).await.unwrap().idempotency;
    let key = "busy.key".parse().unwrap();
    // The fleet finds at each read whether a claim of its own was overwritten.
    let writes = tokio::spawn(async move {
        let mut given = 0;
        loop {
            let found = store.read(&key).await.unwrap();
            let expected = found.as_ref().map(|found| found.version);
            let mut next = found.map(|found| found.value).unwrap_or_default();
            assert!(next.fence >= given, "the fence {given} was given, {} is there", next.fence);
            (next.fence, next.attempt) = (next.fence + 1, next.attempt + 1);
            let swap = store.write(&key, expected, WriteId::random(), &next).await;
            if let Ok(Swap::Applied(_)) = swap {
                given = next.fence;
            }
        }
    });
    while funcify(&["idempotency", "show", "busy.key", "--backend", &url]).code != 0 {}
    for _ in 0..5 {
        let url = url.clone();
        let forget = move || {
            funcify(&["idempotency", "forget", "busy.key", "--yes", "--json", "--backend", &url])
        };
        let forgot = tokio::task::spawn_blocking(forget).await.unwrap();
        assert_eq!((forgot.code, &forgot.json()["changed"]), (0, &true.into()), "{forgot:?}");
    }
    if writes.is_finished() {
        panic!("a claim of the fleet was lost: {:?}", writes.await);
    }
    writes.abort();
}
