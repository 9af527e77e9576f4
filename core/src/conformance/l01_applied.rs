//! L1: after `Applied`, the write took effect exactly once, on top of exactly the expected version.

use serde_json::Map;
use tokio::task::{JoinSet, yield_now};

use super::{
    check::checks,
    client::{Client, Write, body},
    trial::{NewRecord, Trial, circuit_key, token_key},
    verdict::{Shortfall, Verdict, ensure},
};
use crate::register::{Body, RecordKey, Swap, Version, Versioned, WriteId};

checks! { L1:
    nothing_is_read_where_nothing_was_written,
    a_first_write_on_nothing_is_applied,
    a_first_write_to_a_circuit_is_applied,
    what_was_written_is_read_back_with_its_version,
    a_write_on_top_of_the_one_before_is_applied,
    a_write_on_top_of_what_was_read_is_applied,
    a_chain_of_writes_ends_with_the_last,
    a_write_replaces_the_whole_body,
    a_write_leaves_other_records_alone,
    a_record_of_a_new_kind_is_a_record,
    records_of_three_kinds_with_one_name_are_three_records,
    names_that_differ_in_case_are_two_records,
    every_legal_character_can_stand_in_a_name,
    the_longest_name_is_a_name,
    one_client_reads_what_another_wrote,
    of_concurrent_first_writes_exactly_one_is_applied,
    of_concurrent_replacements_exactly_one_is_applied,
    concurrent_increments_are_exact,
}

async fn nothing_is_read_where_nothing_was_written(trial: &Trial<'_>) -> Verdict {
    trial.client.shows_nothing(&trial.token()?).await?;
    trial.client.shows_nothing(&trial.circuit()?).await
}

async fn a_first_write_on_nothing_is_applied(trial: &Trial<'_>) -> Verdict {
    trial.client.write(&trial.token()?, None, &body(1)).await.map(drop)
}

async fn a_first_write_to_a_circuit_is_applied(trial: &Trial<'_>) -> Verdict {
    let key = trial.circuit()?;
    let version = trial.client.write(&key, None, &body(1)).await?;
    trial.client.shows(&key, version, &body(1)).await
}

async fn what_was_written_is_read_back_with_its_version(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    let version = trial.client.write(&key, None, &body("first")).await?;
    trial.client.shows(&key, version, &body("first")).await
}

async fn a_write_on_top_of_the_one_before_is_applied(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    let first = trial.client.write(&key, None, &body(1)).await?;
    let second = trial.client.write(&key, Some(first), &body(2)).await?;
    trial.client.shows(&key, second, &body(2)).await
}

async fn a_write_on_top_of_what_was_read_is_applied(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    let first = trial.client.write(&key, None, &body(1)).await?;
    let is_first =
        |found: Option<&Versioned<Body>>| found.is_some_and(|found| found.version == first);
    let found = trial.other.read_until(&key, is_first).await?;
    let second = trial.other.write(&key, found.map(|found| found.version), &body(2)).await?;
    trial.client.shows(&key, second, &body(2)).await
}

async fn a_chain_of_writes_ends_with_the_last(trial: &Trial<'_>) -> Verdict {
    let key = trial.circuit()?;
    let mut version = trial.client.write(&key, None, &body(0)).await?;
    for mark in 1..10 {
        version = trial.client.write(&key, Some(version), &body(mark)).await?;
    }
    trial.client.shows(&key, version, &body(9)).await
}

async fn a_write_replaces_the_whole_body(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    let mut wide = Map::from(body(1));
    wide.insert("gone".to_owned(), true.into());
    let first = trial.client.write(&key, None, &Body::from(wide)).await?;
    let second = trial.client.write(&key, Some(first), &body(2)).await?;
    trial.client.shows(&key, second, &body(2)).await
}

async fn a_write_leaves_other_records_alone(trial: &Trial<'_>) -> Verdict {
    let (one, other) = (trial.token()?, trial.token()?);
    let kept = trial.client.write(&one, None, &body("kept")).await?;
    let first = trial.client.write(&other, None, &body(1)).await?;
    trial.client.write(&other, Some(first), &body(2)).await?;
    trial.client.shows(&one, kept, &body("kept")).await
}

async fn a_record_of_a_new_kind_is_a_record(trial: &Trial<'_>) -> Verdict {
    let key = RecordKey::of::<NewRecord>(trial.name()?);
    trial.client.shows_nothing(&key).await?;
    let first = trial.client.write(&key, None, &body(1)).await?;
    trial.other.refused(&key, None, &body("refused")).await?;
    let second = trial.client.write(&key, Some(first), &body(2)).await?;
    trial.other.shows(&key, second, &body(2)).await
}

async fn records_of_three_kinds_with_one_name_are_three_records(trial: &Trial<'_>) -> Verdict {
    let name = trial.name()?;
    let (token, circuit) = (token_key(&name), circuit_key(&name));
    are_two_records(&trial.client, &token, &circuit).await?;
    let version = trial.client.write(&RecordKey::of::<NewRecord>(name), None, &body(3)).await?;
    trial.client.refused(&token, Some(version), &body(4)).await?;
    trial.client.refused(&circuit, Some(version), &body(4)).await.map(drop)
}

async fn names_that_differ_in_case_are_two_records(trial: &Trial<'_>) -> Verdict {
    let name = trial.name()?;
    let lower = token_key(&format!("{name}-a").parse()?);
    let upper = token_key(&format!("{name}-A").parse()?);
    are_two_records(&trial.client, &lower, &upper).await
}

async fn every_legal_character_can_stand_in_a_name(trial: &Trial<'_>) -> Verdict {
    let capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let small = "abcdefghijklmnopqrstuvwxyz";
    for part in [capitals, small, "0123456789", "._-", "..", "--", "__"] {
        for name in [format!("{part}{}", trial.name()?), format!("{}{part}", trial.name()?)] {
            let key = token_key(&name.parse()?);
            let version = trial.client.write(&key, None, &body(part)).await?;
            trial.client.shows(&key, version, &body(part)).await?;
        }
    }
    Ok(())
}

async fn the_longest_name_is_a_name(trial: &Trial<'_>) -> Verdict {
    let key = circuit_key(&format!("{:x<64}", trial.name()?).parse()?);
    let version = trial.client.write(&key, None, &body(1)).await?;
    trial.client.shows(&key, version, &body(1)).await
}

async fn one_client_reads_what_another_wrote(trial: &Trial<'_>) -> Verdict {
    for key in [trial.token()?, trial.circuit()?] {
        let version = trial.client.write(&key, None, &body("shared")).await?;
        trial.other.shows(&key, version, &body("shared")).await?;
    }
    Ok(())
}

async fn of_concurrent_first_writes_exactly_one_is_applied(trial: &Trial<'_>) -> Verdict {
    for key in [trial.token()?, trial.circuit()?] {
        exactly_one_is_applied(trial, &key, None).await?;
    }
    Ok(())
}

async fn of_concurrent_replacements_exactly_one_is_applied(trial: &Trial<'_>) -> Verdict {
    for key in [trial.token()?, trial.circuit()?] {
        let first = trial.client.write(&key, None, &body("before")).await?;
        exactly_one_is_applied(trial, &key, Some(first)).await?;
    }
    Ok(())
}

async fn concurrent_increments_are_exact(trial: &Trial<'_>) -> Verdict {
    const INCREMENTS: u64 = 8;
    let key = trial.token()?;
    let mut contenders = JoinSet::new();
    let four = [&trial.client, &trial.other, &trial.client, &trial.other];
    for client in four.map(Client::clone) {
        let key = key.clone();
        contenders.spawn(async move {
            for _ in 0..INCREMENTS {
                client.update(&key, |found| body(count(found.as_ref()) + 1)).await?;
            }
            Ok(())
        });
    }
    joined(contenders).await?;
    let all = 4 * INCREMENTS;
    let is_all = |found: Option<&Versioned<Body>>| count(found.map(|found| &found.value)) == all;
    let found = trial.client.read_until(&key, is_all).await?;
    let counted = count(found.as_ref().map(|found| &found.value));
    ensure!(counted == all, "{all} increments were applied, {counted} were counted");
    Ok(())
}

fn count(body: Option<&Body>) -> u64 {
    body.and_then(|body| body.as_ref().get("mark")?.as_u64()).unwrap_or(0)
}

/// Checks that exactly one of eight concurrent writes on top of `expected` is applied.
async fn exactly_one_is_applied(
    trial: &Trial<'_>,
    key: &RecordKey,
    expected: Option<Version>,
) -> Verdict {
    let mut contenders = JoinSet::new();
    for mark in 0..8 {
        let client = if mark % 2 == 0 { trial.client.clone() } else { trial.other.clone() };
        let write = Write::new(key, expected, &body(mark));
        contenders.spawn(async move {
            yield_now().await;
            let swap = client.send(&write).await?;
            Ok(matches!(swap, Swap::Applied(_)).then_some(write))
        });
    }
    let winners: Vec<Write> = joined(contenders).await?.into_iter().flatten().collect();
    let [winner] = &*winners else {
        return Err(Shortfall::Broken(format!("{} of 8 were applied", winners.len())));
    };
    let is_winner = |found: Option<&Versioned<Body>>| {
        found.is_some_and(|found| {
            WriteId::from(found.version) == winner.id && found.value == winner.body
        })
    };
    let found = trial.client.read_until(key, is_winner).await?;
    ensure!(is_winner(found.as_ref()), "the write that was applied is not the one that is read");
    Ok(())
}

async fn joined<T: 'static>(mut tasks: JoinSet<Verdict<T>>) -> Verdict<Vec<T>> {
    let mut results = Vec::new();
    while let Some(task) = tasks.join_next().await {
        results.push(task.map_err(|error| Shortfall::Broken(error.to_string()))??);
    }
    Ok(results)
}

async fn are_two_records(client: &Client, one: &RecordKey, other: &RecordKey) -> Verdict {
    let first = client.write(one, None, &body(1)).await?;
    let second = client.write(other, None, &body(2)).await?;
    client.shows(one, first, &body(1)).await?;
    client.shows(other, second, &body(2)).await
}
