//! L5: a swap never compares with stale data, and a read is stale only where the store's documentation says
//! so.

use serde_json::{Map, json};
use tokio::task::yield_now;

use super::{
    check::checks,
    client::{Client, body},
    trial::Trial,
    verdict::{Shortfall, Verdict, ensure},
};
use crate::register::{Body, RecordKey, Versioned};

checks! { L5:
    a_token_is_read_as_soon_as_it_is_written,
    a_circuit_is_read_as_soon_as_it_is_written,
    a_write_on_a_version_that_another_client_just_replaced_conflicts,
    a_first_write_after_another_clients_first_write_conflicts,
    two_clients_that_write_in_turn_lose_no_write,
    a_read_changes_nothing,
    reads_during_writes_show_whole_records,
    reads_during_writes_never_go_back,
}

async fn a_token_is_read_as_soon_as_it_is_written(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    read_as_soon_as_written(trial, &key).await
}

async fn a_circuit_is_read_as_soon_as_it_is_written(trial: &Trial<'_>) -> Verdict {
    let key = trial.circuit()?;
    read_as_soon_as_written(trial, &key).await
}

async fn a_write_on_a_version_that_another_client_just_replaced_conflicts(
    trial: &Trial<'_>,
) -> Verdict {
    for key in [trial.token()?, trial.circuit()?] {
        let mut version = trial.client.write(&key, None, &body(0)).await?;
        for mark in 1..10 {
            // Both clients have read the old version before one of them replaces it.
            trial.other.read(&key).await?;
            let next = trial.client.write(&key, Some(version), &body(mark)).await?;
            trial.other.refused(&key, Some(version), &body("stale")).await?;
            version = next;
        }
    }
    Ok(())
}

async fn a_first_write_after_another_clients_first_write_conflicts(trial: &Trial<'_>) -> Verdict {
    for key in [trial.token()?, trial.circuit()?] {
        trial.other.shows_nothing(&key).await?;
        trial.client.write(&key, None, &body(1)).await?;
        trial.other.refused(&key, None, &body(2)).await?;
    }
    Ok(())
}

async fn two_clients_that_write_in_turn_lose_no_write(trial: &Trial<'_>) -> Verdict {
    let key = trial.circuit()?;
    let mut version = trial.client.write(&key, None, &body(0)).await?;
    for mark in 1..=10 {
        version = trial.other.write(&key, Some(version), &body(-mark)).await?;
        version = trial.client.write(&key, Some(version), &body(mark)).await?;
    }
    trial.other.shows(&key, version, &body(10)).await
}

async fn a_read_changes_nothing(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    let version = trial.client.write(&key, None, &body("kept")).await?;
    for _ in 0..5 {
        trial.client.shows(&key, version, &body("kept")).await?;
        trial.other.shows(&key, version, &body("kept")).await?;
    }
    trial.client.write(&key, Some(version), &body("next")).await.map(drop)
}

async fn reads_during_writes_show_whole_records(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    for found in read_during_writes(trial, &key).await? {
        let members = found.value.as_ref();
        ensure!(found.corruption.is_none(), "a record is corrupt: {:?}", found.corruption);
        ensure!(members.get("left") == members.get("right"), "a record is torn");
    }
    Ok(())
}

async fn reads_during_writes_never_go_back(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    if trial.client.is_stale(&key) {
        return Err(Shortfall::reads_are_stale());
    }
    let mut last = 0;
    for found in read_during_writes(trial, &key).await? {
        let now = found.value.as_ref().get("left").and_then(|left| left.as_i64()).unwrap_or(0);
        ensure!(now >= last, "read {last}, then {now}");
        last = now;
    }
    Ok(())
}

async fn read_as_soon_as_written(trial: &Trial<'_>, key: &RecordKey) -> Verdict {
    if trial.client.is_stale(key) {
        return Err(Shortfall::reads_are_stale());
    }
    let mut version = None;
    for mark in 0..10 {
        let done = trial.client.write(key, version, &body(mark)).await?;
        trial.other.shows(key, done, &body(mark)).await?;
        version = Some(done);
    }
    Ok(())
}

/// Returns what one client reads while another makes twenty writes, including the last one.
async fn read_during_writes(trial: &Trial<'_>, key: &RecordKey) -> Verdict<Vec<Versioned<Body>>> {
    const LAST: i64 = 20;
    let write = async {
        let mut version = None;
        for mark in 1..=LAST {
            version = Some(trial.client.write(key, version, &twice_marked(mark)).await?);
            yield_now().await;
        }
        Ok::<_, Shortfall>(version)
    };
    let read = async {
        let mut seen = Vec::new();
        for _ in 0..500 {
            seen.extend(Client::read(&trial.other, key).await?);
            if seen.last().is_some_and(|last| last.value == twice_marked(LAST)) {
                break;
            }
            yield_now().await;
        }
        Ok::<_, Shortfall>(seen)
    };
    let (written, seen) = tokio::join!(write, read);
    written.and(seen)
}

fn twice_marked(mark: i64) -> Body {
    let twice = [("left".to_owned(), json!(mark)), ("right".to_owned(), json!(mark))];
    Body::from(Map::from_iter(twice))
}
