//! L4: a version is never issued twice for different content.

use std::collections::HashSet;

use super::{
    Raw,
    check::checks,
    client::{Write, body},
    trial::Trial,
    verdict::{Shortfall, Verdict, ensure},
};
use crate::register::{RecordKey, Version, WriteId};

checks! { L4:
    a_version_holds_the_id_of_its_write,
    every_write_makes_another_version,
    the_same_body_written_twice_has_two_versions,
    two_records_never_share_a_version,
    an_old_version_stays_old_when_its_content_comes_back,
    a_deleted_record_reads_as_nothing,
    after_a_deletion_the_old_version_conflicts,
    after_a_deletion_a_first_write_makes_a_new_version,
    a_version_is_not_issued_again_after_a_deletion,
}

async fn a_version_holds_the_id_of_its_write(trial: &Trial<'_>) -> Verdict {
    let write = Write::new(&trial.token()?, None, &body(1));
    let version = trial.client.sent(&write).await?;
    ensure!(WriteId::from(version) == write.id, "sent as {}, applied as {version:?}", write.id);
    Ok(())
}

async fn every_write_makes_another_version(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    let mut seen = HashSet::new();
    let mut last = None;
    for mark in 0..10 {
        let version = trial.client.write(&key, last, &body(mark)).await?;
        ensure!(seen.insert(version), "{version:?} was issued twice");
        last = Some(version);
    }
    Ok(())
}

async fn the_same_body_written_twice_has_two_versions(trial: &Trial<'_>) -> Verdict {
    let key = trial.circuit()?;
    let first = trial.client.write(&key, None, &body("same")).await?;
    let second = trial.client.write(&key, Some(first), &body("same")).await?;
    ensure!(first != second, "both are {first:?}");
    trial.client.refused(&key, Some(first), &body("other")).await.map(drop)
}

async fn two_records_never_share_a_version(trial: &Trial<'_>) -> Verdict {
    let one = trial.client.write(&trial.token()?, None, &body("same")).await?;
    let other = trial.client.write(&trial.token()?, None, &body("same")).await?;
    ensure!(one != other, "both are {one:?}");
    Ok(())
}

async fn an_old_version_stays_old_when_its_content_comes_back(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    let first = trial.client.write(&key, None, &body("a")).await?;
    let second = trial.client.write(&key, Some(first), &body("b")).await?;
    let third = trial.client.write(&key, Some(second), &body("a")).await?;
    trial.client.refused(&key, Some(first), &body("c")).await?;
    trial.client.shows(&key, third, &body("a")).await
}

async fn a_deleted_record_reads_as_nothing(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    trial.client.write(&key, None, &body("deleted")).await?;
    delete(trial, &key).await?;
    trial.client.shows_nothing(&key).await
}

async fn after_a_deletion_the_old_version_conflicts(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    let first = trial.client.write(&key, None, &body("deleted")).await?;
    delete(trial, &key).await?;
    trial.client.refused(&key, Some(first), &body("late")).await.map(drop)
}

async fn after_a_deletion_a_first_write_makes_a_new_version(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    let first = trial.client.write(&key, None, &body("deleted")).await?;
    delete(trial, &key).await?;
    let second = trial.client.replace(&key, &body("new")).await?;
    ensure!(first != second, "both are {first:?}");
    trial.client.shows(&key, second, &body("new")).await
}

/// Makes as many writes after the deletion as before it. A counter would issue the same versions again.
async fn a_version_is_not_issued_again_after_a_deletion(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    let old = three_writes(trial, &key).await?;
    delete(trial, &key).await?;
    let new = three_writes(trial, &key).await?;
    for version in old {
        ensure!(!new.contains(&version), "{version:?} was issued again");
        trial.client.refused(&key, Some(version), &body("late")).await?;
    }
    Ok(())
}

async fn three_writes(trial: &Trial<'_>, key: &RecordKey) -> Verdict<[Version; 3]> {
    let first = trial.client.replace(key, &body(1)).await?;
    let second = trial.client.write(key, Some(first), &body(2)).await?;
    let third = trial.client.write(key, Some(second), &body(3)).await?;
    Ok([first, second, third])
}

async fn delete(trial: &Trial<'_>, key: &RecordKey) -> Verdict {
    if trial.subject.inject(key, Raw::Deleted).await? {
        Ok(())
    } else {
        Err(Shortfall::cannot_inject())
    }
}
