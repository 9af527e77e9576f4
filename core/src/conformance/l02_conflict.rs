//! L2: after `Conflict`, the write did not take effect and never will.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    check::checks,
    client::body,
    trial::Trial,
    verdict::{Verdict, ensure},
};
use crate::register::{Version, WriteId};

checks! { L2:
    a_write_that_expects_nothing_conflicts_with_a_record,
    a_write_that_expects_an_older_version_conflicts,
    a_write_that_expects_a_record_conflicts_with_nothing,
    a_write_that_expects_an_unknown_version_conflicts,
    a_write_that_expects_the_version_of_another_record_conflicts,
    a_conflict_leaves_the_record_as_it_was,
    a_conflict_leaves_nothing_where_nothing_was,
    a_conflict_carries_what_is_there_now,
    a_conflict_on_nothing_carries_nothing,
    what_a_conflict_carries_can_be_written_on,
    a_conflict_is_not_applied_later,
}

async fn a_write_that_expects_nothing_conflicts_with_a_record(trial: &Trial<'_>) -> Verdict {
    for key in [trial.token()?, trial.circuit()?] {
        trial.client.write(&key, None, &body(1)).await?;
        trial.other.refused(&key, None, &body(2)).await?;
    }
    Ok(())
}

async fn a_write_that_expects_an_older_version_conflicts(trial: &Trial<'_>) -> Verdict {
    for key in [trial.token()?, trial.circuit()?] {
        let first = trial.client.write(&key, None, &body(1)).await?;
        trial.client.write(&key, Some(first), &body(2)).await?;
        trial.client.refused(&key, Some(first), &body(3)).await?;
    }
    Ok(())
}

async fn a_write_that_expects_a_record_conflicts_with_nothing(trial: &Trial<'_>) -> Verdict {
    trial.client.refused(&trial.token()?, Some(unknown()), &body(1)).await.map(drop)
}

async fn a_write_that_expects_an_unknown_version_conflicts(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    trial.client.write(&key, None, &body(1)).await?;
    trial.client.refused(&key, Some(unknown()), &body(2)).await.map(drop)
}

async fn a_write_that_expects_the_version_of_another_record_conflicts(
    trial: &Trial<'_>,
) -> Verdict {
    let (one, other) = (trial.token()?, trial.token()?);
    let version = trial.client.write(&one, None, &body(1)).await?;
    trial.client.write(&other, None, &body(1)).await?;
    trial.client.refused(&other, Some(version), &body(2)).await.map(drop)
}

async fn a_conflict_leaves_the_record_as_it_was(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    let first = trial.client.write(&key, None, &body("first")).await?;
    let second = trial.client.write(&key, Some(first), &body("second")).await?;
    for expected in [None, Some(first), Some(unknown())] {
        trial.client.refused(&key, expected, &body("refused")).await?;
        trial.client.shows(&key, second, &body("second")).await?;
    }
    Ok(())
}

async fn a_conflict_leaves_nothing_where_nothing_was(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    trial.client.refused(&key, Some(unknown()), &body("refused")).await?;
    trial.client.shows_nothing(&key).await?;
    trial.client.write(&key, None, &body("first")).await.map(drop)
}

async fn a_conflict_carries_what_is_there_now(trial: &Trial<'_>) -> Verdict {
    for key in [trial.token()?, trial.circuit()?] {
        let first = trial.client.write(&key, None, &body("first")).await?;
        let second = trial.client.write(&key, Some(first), &body("second")).await?;
        for expected in [None, Some(first)] {
            let current = trial.other.refused(&key, expected, &body("refused")).await?;
            let Some(current) = current else {
                ensure!(trial.client.is_stale(&key), "the conflict carries nothing");
                continue;
            };
            let is_second = current.version == second && current.value == body("second");
            let version = current.version;
            ensure!(is_second || trial.client.is_stale(&key), "the conflict carries {version:?}");
        }
    }
    Ok(())
}

async fn a_conflict_on_nothing_carries_nothing(trial: &Trial<'_>) -> Verdict {
    let current = trial.client.refused(&trial.circuit()?, Some(unknown()), &body(1)).await?;
    ensure!(current.is_none(), "the conflict carries {:?}", current.map(|current| current.version));
    Ok(())
}

async fn what_a_conflict_carries_can_be_written_on(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    trial.client.write(&key, None, &body("first")).await?;
    let current = trial.other.refused(&key, None, &body("refused")).await?;
    if current.is_none() && trial.other.is_stale(&key) {
        return Ok(());
    }
    let expected = current.map(|current| current.version);
    let second = trial.other.write(&key, expected, &body("second")).await?;
    trial.client.shows(&key, second, &body("second")).await
}

async fn a_conflict_is_not_applied_later(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    let first = trial.client.write(&key, None, &body("first")).await?;
    let second = trial.client.write(&key, Some(first), &body("second")).await?;
    trial.other.refused(&key, Some(first), &body("refused")).await?;
    sleep(Duration::from_millis(100)).await;
    trial.client.shows(&key, second, &body("second")).await?;
    let third = trial.client.write(&key, Some(second), &body("third")).await?;
    trial.client.shows(&key, third, &body("third")).await
}

fn unknown() -> Version {
    Version::from(WriteId::random())
}
