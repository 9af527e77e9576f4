//! Compares the stored forms with files, because older and newer versions of this crate must be able to
//! read them. The names in a record must not change, even if the code calls them something else.

use std::time::Duration;

use crate::{
    Timestamp,
    circuit::{
        Bucket, Cause, CircuitRecord, CircuitState, Failure, Instance, Override, OverrideMode,
        Probe, Transition,
    },
    engine::{decode, encode},
    register::{Body, Corruption, Record, Version, Versioned, WriteId},
};

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn read(text: &str) -> Versioned<CircuitRecord> {
    let version = Version::from(WriteId::from_bits(1));
    decode(Versioned::new(text.parse::<Body>().unwrap(), version))
}

fn an_override() -> Option<Override> {
    Some(Override::new(OverrideMode::ForceOpen, START + seconds(3_600), "x".repeat(64)))
}

/// A closed circuit with as many failures as the count rule keeps.
fn counting() -> CircuitRecord {
    let failure = |n: u64| Failure {
        at: START + Duration::from_millis(n),
        instance: Instance::new(format!("0a3c9b{n:02}")),
    };
    CircuitRecord {
        epoch: 12_345,
        changed_at: START,
        consecutive_opens: 12,
        failures: (0..16).map(failure).collect(),
        overridden: an_override(),
        ..CircuitRecord::default()
    }
}

/// A closed circuit of a very busy fleet, with as many buckets as a minute can have.
fn sampling() -> CircuitRecord {
    let bucket = |age: u64| Bucket {
        at: START - seconds(3 * age),
        calls: 800_000,
        failures: 80_000,
        slow: 80_000,
        reports: 320,
        failed_reports: 99,
        slow_reports: 99,
    };
    CircuitRecord {
        buckets: (0..18).rev().map(bucket).collect(),
        failures: counting().failures.into_iter().take(4).collect(),
        ..counting()
    }
}

/// A half-open circuit with as many probes as a record keeps.
fn probing() -> CircuitRecord {
    let probe = |n: u128| Probe {
        id: WriteId::from_bits(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128 + n),
        until: START + seconds(12),
    };
    CircuitRecord {
        state: CircuitState::HalfOpen,
        cause: Some(Cause::FailureRate),
        open_until: START,
        probes: (0..4).map(probe).collect(),
        round_successes: 1,
        failures: Vec::new(),
        ..counting()
    }
}

type Golden = (&'static str, fn() -> CircuitRecord);

const GOLDEN: [Golden; 5] = [
    (include_str!("../../../tests/records/circuit-empty.json"), CircuitRecord::default),
    (include_str!("../../../tests/records/circuit-counting.json"), counting),
    (include_str!("../../../tests/records/circuit-sampling.json"), sampling),
    (include_str!("../../../tests/records/circuit-probing.json"), probing),
    (include_str!("../../../tests/records/circuit-steered.json"), steered),
];

/// The circuit of [`counting`] after eight changes of state, under an override with a reason.
fn steered() -> CircuitRecord {
    let transition = |n: u64| Transition {
        at: START + seconds(3_600 * n),
        to: [CircuitState::Open, CircuitState::HalfOpen, CircuitState::Closed][n as usize % 3],
        cause: [Some(Cause::FailureRate), Some(Cause::ProbeFailed), None][n as usize % 3],
        instance: Instance::new(format!("0a3c9b{n:02}")),
    };
    CircuitRecord {
        history: (0..8).map(transition).collect(),
        overridden: an_override().map(|set| set.because("the warehouse moves")),
        ..counting()
    }
}

#[test]
fn a_record_is_written_and_read_as_in_version_0_1() {
    for (text, record) in GOLDEN {
        let record = record();
        assert_eq!(
            encode(&record).unwrap(),
            text.parse::<Body>().unwrap(),
            "now: {}",
            encode(&record).unwrap()
        );
        let read = read(text);
        assert_eq!((read.corruption, read.value), (None, record));
    }
}

/// A process of version 0.1 wrote these records.
#[test]
fn f25_the_recorded_circuits_of_version_0_1_are_read_and_written_back_unchanged() {
    for recorded in [
        include_str!("../../../tests/records/v0_1/circuit-counting.json"),
        include_str!("../../../tests/records/v0_1/circuit-open.json"),
        include_str!("../../../tests/records/v0_1/circuit-half-open.json"),
    ] {
        let read = read(recorded);
        assert_eq!(read.corruption, None);
        assert_eq!(encode(&read.value).unwrap(), recorded.parse::<Body>().unwrap());
    }
}

#[test]
fn an_instance_local_cause_is_stored_under_its_first_name() {
    assert_eq!(serde_json::to_string(&Cause::InstanceLocal).unwrap(), r#""this_instance""#);
}

#[test]
fn a_full_record_is_under_a_kilobyte() {
    for (_, record) in GOLDEN {
        let size = encode(&record()).unwrap().to_string().len();
        assert!(size < 1_024, "{size}");
    }
}

#[test]
fn what_is_only_shown_gives_way_where_a_record_would_take_a_kilobyte() {
    let full = CircuitRecord {
        overridden: an_override().map(|set| set.because("y".repeat(64))),
        history: steered().history,
        ..sampling()
    };
    assert!(encode(&full).unwrap().to_string().len() > 1_024);
    let stored = full.for_store();
    assert!(encode(&*stored).unwrap().to_string().len() < 1_024);
    let shown = CircuitRecord {
        history: full.history.clone(),
        overridden: full.overridden.clone(),
        ..stored.into_owned()
    };
    assert_eq!(shown, full, "what decides is written as it is");

    let mut busy = CircuitRecord { history: steered().history, ..sampling() };
    busy.overridden = None;
    let stored = busy.for_store().into_owned();
    assert!(!stored.history.is_empty() && stored.history.len() < 8, "{}", stored.history.len());
    assert!(busy.history.ends_with(&stored.history), "the latest are kept");
    assert_eq!(*steered().for_store(), steered(), "most records have room for all");
}

#[test]
fn a_history_of_another_form_is_none_and_of_a_longer_one_the_last_eight_are_read() {
    for odd in [r#"[[1]]"#, r#"{}"#, r#""x""#, r#"[[1,"x","f","i"]]"#, r#"[[-1.5,"o","f","i"]]"#] {
        let read = read(&format!(r#"{{"epoch":7,"history":{odd}}}"#));
        assert_eq!((read.corruption, read.value.epoch), (None, 7), "{odd}");
        assert!(read.value.history.is_empty(), "{odd}");
    }
    let one = format!(r#"[{},"o","z","i"]"#, i64::MAX);
    let long = vec![one; 20].join(",");
    let read = read(&format!(r#"{{"history":[{long}]}}"#)).value;
    assert_eq!(read.history.len(), 8);
    assert_eq!(read.history[0].cause, Some(Cause::Unknown), "a letter of a newer version");
}

#[test]
fn the_author_and_the_reason_of_an_override_have_64_bytes_each() {
    let set = Override::new(OverrideMode::Disabled, START, "ü".repeat(40)).because("x".repeat(65));
    assert_eq!((set.by, set.reason), ("ü".repeat(32), "x".repeat(64)));
}

#[test]
fn missing_members_have_their_default_and_unknown_ones_are_kept() {
    let read = read(r#"{"epoch":7,"quota":{"a":[1]},"cause":"solar_flare"}"#).value;
    assert_eq!(
        (read.state, read.epoch, read.cause),
        (CircuitState::Closed, 7, Some(Cause::Unknown))
    );
    assert_eq!(encode(&read).unwrap().as_ref()["quota"], serde_json::json!({"a": [1]}));
}

#[test]
fn what_cannot_be_read_is_empty_and_marked_as_corrupt() {
    for text in [
        r#"{"state":"half_closed"}"#,
        r#"{"state":1}"#,
        r#"{"epoch":-1}"#,
        r#"{"failures":[[1]]}"#,
        r#"{"probes":[["not hex",1]]}"#,
        r#"{"override":{"mode":"explode","until":1}}"#,
        r#"{"buckets":[]}"#,
        r#"{"changed_at":"yesterday"}"#,
    ] {
        let read = read(text);
        assert_eq!(
            (read.corruption, read.value),
            (Some(Corruption::Unreadable), CircuitRecord::default())
        );
    }
}

#[test]
fn a_record_is_kept_a_day_longer_than_it_says_and_never_for_ever() {
    let day = seconds(86_400);
    let record = CircuitRecord { open_until: START + seconds(60), ..CircuitRecord::default() };
    assert_eq!(record.keep_for(START), day + seconds(60));
    assert_eq!(CircuitRecord::default().keep_for(START), day);
    assert_eq!(counting().keep_for(START), day + seconds(3_600));
    let corrupt =
        CircuitRecord { open_until: Timestamp::from_millis(i64::MAX), ..CircuitRecord::default() };
    assert_eq!(corrupt.keep_for(START), day * 367);
}
