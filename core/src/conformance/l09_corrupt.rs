//! L9: corrupt content is read as the empty record, with its version and a reason, and can be replaced.
//! Members that a newer version of funcify has written are kept.

use serde_json::{Map, Value, json};

use super::{
    Raw,
    check::checks,
    client::{body, brief},
    trial::{Trial, circuit_key, token_key},
    verdict::{Shortfall, Verdict, ensure},
};
use crate::{
    Timestamp,
    circuit::{CircuitRecord, CircuitState, CircuitStateProvider},
    register::{Body, Corruption, RecordKey, Swap, Versioned, WriteId},
    token::{AccessToken, Lease, TokenPersistenceProvider, TokenRecord},
};

checks! { L9:
    a_list_is_a_corrupt_record,
    a_number_is_a_corrupt_record,
    a_truncated_object_is_a_corrupt_record,
    empty_text_is_a_corrupt_record,
    text_after_the_object_is_a_corrupt_record,
    deep_nesting_is_a_corrupt_record,
    a_corrupt_record_conflicts_with_a_first_write,
    a_corrupt_record_can_be_replaced,
    a_foreign_item_is_read_as_empty,
    a_foreign_item_can_be_replaced,
    a_foreign_item_over_a_record_can_be_replaced,
    a_corrupt_token_is_read_as_empty_and_can_be_replaced,
    a_corrupt_circuit_is_read_as_empty_and_can_be_replaced,
    a_conflict_with_a_corrupt_record_reports_the_corruption,
    a_token_comes_back_as_it_was_written,
    a_circuit_comes_back_as_it_was_written,
    members_of_a_newer_token_are_kept,
    members_of_a_newer_circuit_are_kept,
}

async fn a_list_is_a_corrupt_record(trial: &Trial<'_>) -> Verdict {
    is_corrupt(trial, r#"[{"mark":1}]"#).await
}

async fn a_number_is_a_corrupt_record(trial: &Trial<'_>) -> Verdict {
    is_corrupt(trial, "17").await
}

async fn a_truncated_object_is_a_corrupt_record(trial: &Trial<'_>) -> Verdict {
    is_corrupt(trial, r#"{"mark":1,"ne"#).await
}

async fn empty_text_is_a_corrupt_record(trial: &Trial<'_>) -> Verdict {
    is_corrupt(trial, "").await
}

async fn text_after_the_object_is_a_corrupt_record(trial: &Trial<'_>) -> Verdict {
    is_corrupt(trial, r#"{"mark":1}{"mark":2}"#).await
}

async fn deep_nesting_is_a_corrupt_record(trial: &Trial<'_>) -> Verdict {
    is_corrupt(trial, &"[".repeat(2_000)).await
}

async fn a_corrupt_record_conflicts_with_a_first_write(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    let corrupt = inject_corrupt(trial, &key, "corrupt").await?;
    let current = trial.other.refused(&key, None, &body(1)).await?;
    let version = current.as_ref().map(|current| current.version);
    let carried = current.is_some_and(|current| current.corruption.is_some());
    let stale = trial.client.is_stale(&key);
    ensure!(stale || version == Some(corrupt.version), "the conflict carries {version:?}");
    ensure!(stale || carried, "the conflict does not report the corruption");
    Ok(())
}

async fn a_corrupt_record_can_be_replaced(trial: &Trial<'_>) -> Verdict {
    for key in [trial.token()?, trial.circuit()?] {
        trial.client.write(&key, None, &body("before")).await?;
        let corrupt = inject_corrupt(trial, &key, "corrupt").await?;
        let version = trial.client.write(&key, Some(corrupt.version), &body("after")).await?;
        trial.other.shows(&key, version, &body("after")).await?;
    }
    Ok(())
}

async fn a_foreign_item_is_read_as_empty(trial: &Trial<'_>) -> Verdict {
    for key in [trial.token()?, trial.circuit()?] {
        inject_foreign(trial, &key).await?;
        if let Some(found) = trial.client.read(&key).await? {
            ensure!(found.value == Body::default(), "read {}", brief(&found.value));
            ensure!(found.corruption.is_some(), "a foreign item is read as a record");
        }
    }
    Ok(())
}

async fn a_foreign_item_can_be_replaced(trial: &Trial<'_>) -> Verdict {
    for key in [trial.token()?, trial.circuit()?] {
        inject_foreign(trial, &key).await?;
        let version = trial.client.replace(&key, &body("ours")).await?;
        trial.other.shows(&key, version, &body("ours")).await?;
    }
    Ok(())
}

async fn a_foreign_item_over_a_record_can_be_replaced(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    let old = trial.client.write(&key, None, &body("ours")).await?;
    inject_foreign(trial, &key).await?;
    trial.client.refused(&key, Some(old), &body("late")).await?;
    let version = trial.client.replace(&key, &body("ours again")).await?;
    trial.other.shows(&key, version, &body("ours again")).await
}

async fn a_corrupt_token_is_read_as_empty_and_can_be_replaced(trial: &Trial<'_>) -> Verdict {
    let key = trial.name()?;
    let corrupt = members(json!({"digest": 7, "expires_at": "noon", "lease": []}));
    let version = trial.client.write(&token_key(&key), None, &corrupt).await?;
    seen(trial, &token_key(&key), WriteId::from(version)).await?;
    let found = trial.client.store.read(&key).await?;
    let empty = Versioned {
        value: TokenRecord::default(),
        version,
        corruption: Some(Corruption::Unreadable),
    };
    ensure!(found.as_ref() == Some(&empty), "it reads as {found:?}");
    let store = &trial.client.store;
    let swap = store.write(&key, Some(version), WriteId::random(), &token()).await?;
    ensure!(matches!(swap, Swap::Applied(_)), "it cannot be replaced");
    Ok(())
}

async fn a_corrupt_circuit_is_read_as_empty_and_can_be_replaced(trial: &Trial<'_>) -> Verdict {
    let name = trial.name()?;
    let corrupt = members(json!({"state": "ajar", "epoch": "seven"}));
    let version = trial.client.write(&circuit_key(&name), None, &corrupt).await?;
    seen(trial, &circuit_key(&name), WriteId::from(version)).await?;
    let found = trial.client.store.circuit_state(&name).await?;
    let empty = Versioned {
        value: CircuitRecord::default(),
        version,
        corruption: Some(Corruption::Unreadable),
    };
    ensure!(found.as_ref() == Some(&empty), "it reads as {found:?}");
    let store = &trial.client.store;
    let swap = store.update_state(&name, Some(version), WriteId::random(), &circuit()).await?;
    ensure!(matches!(swap, Swap::Applied(_)), "it cannot be replaced");
    Ok(())
}

async fn a_conflict_with_a_corrupt_record_reports_the_corruption(trial: &Trial<'_>) -> Verdict {
    let name = trial.name()?;
    let corrupt = members(json!({"state": 1}));
    let version = trial.client.write(&circuit_key(&name), None, &corrupt).await?;
    let store = &trial.other.store;
    let swap = store.update_state(&name, None, WriteId::random(), &circuit()).await?;
    let Swap::Conflict(current) = swap else {
        return Err(Shortfall::Broken("a first write was applied on top of a record".to_owned()));
    };
    let is_reported = current.as_ref().is_some_and(|current| {
        current.version == version && current.corruption == Some(Corruption::Unreadable)
    });
    ensure!(is_reported || trial.client.is_stale(&circuit_key(&name)), "it carries {current:?}");
    Ok(())
}

async fn a_token_comes_back_as_it_was_written(trial: &Trial<'_>) -> Verdict {
    let (key, record) = (trial.name()?, token());
    let store = &trial.client.store;
    let swap = store.write(&key, None, WriteId::random(), &record).await?;
    let Swap::Applied(version) = swap else {
        return Err(Shortfall::Broken("a first write conflicts".to_owned()));
    };
    seen(trial, &token_key(&key), WriteId::from(version)).await?;
    let found = trial.client.store.read(&key).await?;
    ensure!(found.as_ref() == Some(&Versioned::new(record, version)), "it reads as {found:?}");
    Ok(())
}

async fn a_circuit_comes_back_as_it_was_written(trial: &Trial<'_>) -> Verdict {
    let (name, record) = (trial.name()?, circuit());
    let store = &trial.client.store;
    let swap = store.update_state(&name, None, WriteId::random(), &record).await?;
    let Swap::Applied(version) = swap else {
        return Err(Shortfall::Broken("a first write conflicts".to_owned()));
    };
    seen(trial, &circuit_key(&name), WriteId::from(version)).await?;
    let found = trial.client.store.circuit_state(&name).await?;
    ensure!(found.as_ref() == Some(&Versioned::new(record, version)), "it reads as {found:?}");
    Ok(())
}

async fn members_of_a_newer_token_are_kept(trial: &Trial<'_>) -> Verdict {
    let key = trial.name()?;
    let newer = members(json!({"digest": "d", "from_the_future": {"a": [1, "{{b}}"]}}));
    let version = trial.client.write(&token_key(&key), None, &newer).await?;
    seen(trial, &token_key(&key), WriteId::from(version)).await?;
    let found = trial.client.store.read(&key).await?;
    let record = found.map(|found| found.value).unwrap_or_default();
    let id = WriteId::random();
    let store = &trial.client.store;
    let swap = store.write(&key, Some(version), id, &record).await?;
    ensure!(matches!(swap, Swap::Applied(_)), "it cannot be written");
    is_kept(trial, &token_key(&key), id, &newer).await
}

async fn members_of_a_newer_circuit_are_kept(trial: &Trial<'_>) -> Verdict {
    let name = trial.name()?;
    let newer = members(json!({"state": "open", "epoch": 3, "from_the_future": {"a": [1, 2]}}));
    let version = trial.client.write(&circuit_key(&name), None, &newer).await?;
    seen(trial, &circuit_key(&name), WriteId::from(version)).await?;
    let found = trial.client.store.circuit_state(&name).await?;
    let record = found.map(|found| found.value).unwrap_or_default();
    let id = WriteId::random();
    let store = &trial.client.store;
    let swap = store.update_state(&name, Some(version), id, &record).await?;
    ensure!(matches!(swap, Swap::Applied(_)), "it cannot be written");
    is_kept(trial, &circuit_key(&name), id, &newer).await
}

/// Checks that the text is read as an empty body with a version and a reason.
async fn is_corrupt(trial: &Trial<'_>, text: &str) -> Verdict {
    for key in [trial.token()?, trial.circuit()?] {
        let found = inject_corrupt(trial, &key, text).await?;
        ensure!(found.value == Body::default(), "read {}", brief(&found.value));
        trial.client.write(&key, Some(found.version), &body("after")).await?;
    }
    Ok(())
}

async fn inject_corrupt(
    trial: &Trial<'_>,
    key: &RecordKey,
    text: &str,
) -> Verdict<Versioned<Body>> {
    let raw = Raw::Corrupt { id: WriteId::random(), text };
    if !trial.subject.inject(key, raw).await? {
        return Err(Shortfall::cannot_inject());
    }
    let is_corrupt =
        |found: Option<&Versioned<Body>>| found.is_some_and(|found| found.corruption.is_some());
    match trial.client.read_until(key, is_corrupt).await? {
        Some(found) if found.corruption.is_some() => Ok(found),
        Some(_) => Err(Shortfall::Broken("the corruption is not reported".to_owned())),
        None => Err(Shortfall::Broken("a corrupt record reads as nothing".to_owned())),
    }
}

async fn inject_foreign(trial: &Trial<'_>, key: &RecordKey) -> Verdict {
    if trial.subject.inject(key, Raw::Foreign("left by another program")).await? {
        Ok(())
    } else {
        Err(Shortfall::cannot_inject())
    }
}

/// Reads until the write `id` is read, because reads may be stale.
async fn seen(trial: &Trial<'_>, key: &RecordKey, id: WriteId) -> Verdict<Body> {
    let is_it = |found: Option<&Versioned<Body>>| {
        found.is_some_and(|found| WriteId::from(found.version) == id)
    };
    let found = trial.client.read_until(key, is_it).await?;
    ensure!(is_it(found.as_ref()), "{id} was written and is not read");
    Ok(found.map(|found| found.value).unwrap_or_default())
}

/// Checks that every member that was there before is still there.
async fn is_kept(trial: &Trial<'_>, key: &RecordKey, id: WriteId, newer: &Body) -> Verdict {
    let now = seen(trial, key, id).await?;
    for (name, value) in newer.as_ref() {
        ensure!(now.as_ref().get(name) == Some(value), "the member {name} is lost");
    }
    Ok(())
}

fn members(value: Value) -> Body {
    match value {
        Value::Object(members) => Body::from(members),
        other => Body::from(Map::from_iter([("value".to_owned(), other)])),
    }
}

fn token() -> TokenRecord {
    TokenRecord {
        digest: "0123456789abcdef0123456789abcdef".to_owned(),
        token: Some(AccessToken::from("header.payload.signature")),
        token_type: Some("Bearer".to_owned()),
        minted_at: Timestamp::from_millis(1_700_000_000_000),
        refresh_at: Timestamp::from_millis(1_700_002_700_000),
        expires_at: Timestamp::from_millis(1_700_003_600_000),
        lease: Some(Lease {
            holder: WriteId::from_bits(7),
            until: Timestamp::from_millis(1_700_000_004_000),
        }),
        ..TokenRecord::default()
    }
}

fn circuit() -> CircuitRecord {
    CircuitRecord {
        state: CircuitState::Open,
        epoch: 7,
        open_until: Timestamp::from_millis(1_700_000_030_000),
        ..CircuitRecord::default()
    }
}
