//! L6: a record counts as long as the store holds it, even after the time for which it had to be kept.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    check::checks,
    client::{Write, body},
    trial::Trial,
    verdict::Verdict,
};
use crate::register::{RecordKey, Version};

checks! { L6:
    a_record_to_be_kept_for_no_time_is_a_record,
    a_record_to_be_kept_for_a_millisecond_is_a_record,
    a_record_to_be_kept_for_ten_years_is_a_record,
    a_record_to_be_kept_for_ever_is_a_record,
    a_record_outlives_its_time_to_keep,
    a_record_past_its_time_to_keep_still_conflicts_with_a_first_write,
}

async fn a_record_to_be_kept_for_no_time_is_a_record(trial: &Trial<'_>) -> Verdict {
    is_a_record(trial, Duration::ZERO).await
}

async fn a_record_to_be_kept_for_a_millisecond_is_a_record(trial: &Trial<'_>) -> Verdict {
    is_a_record(trial, Duration::from_millis(1)).await
}

async fn a_record_to_be_kept_for_ten_years_is_a_record(trial: &Trial<'_>) -> Verdict {
    is_a_record(trial, Duration::from_secs(10 * 366 * 86_400)).await
}

async fn a_record_to_be_kept_for_ever_is_a_record(trial: &Trial<'_>) -> Verdict {
    is_a_record(trial, Duration::MAX).await
}

async fn a_record_outlives_its_time_to_keep(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    let first = keep(trial, &key, None, Duration::from_secs(3_600)).await?;
    let second = keep(trial, &key, Some(first), Duration::from_millis(1)).await?;
    sleep(Duration::from_millis(50)).await;
    trial.client.shows(&key, second, &body("kept")).await
}

async fn a_record_past_its_time_to_keep_still_conflicts_with_a_first_write(
    trial: &Trial<'_>,
) -> Verdict {
    let key = trial.token()?;
    let first = keep(trial, &key, None, Duration::from_millis(1)).await?;
    sleep(Duration::from_millis(50)).await;
    trial.client.refused(&key, None, &body("stranger")).await?;
    trial.client.write(&key, Some(first), &body("next")).await.map(drop)
}

async fn is_a_record(trial: &Trial<'_>, keep_for: Duration) -> Verdict {
    for key in [trial.token()?, trial.circuit()?] {
        let first = keep(trial, &key, None, keep_for).await?;
        let second = keep(trial, &key, Some(first), keep_for).await?;
        sleep(Duration::from_millis(50)).await;
        trial.client.shows(&key, second, &body("kept")).await?;
    }
    Ok(())
}

async fn keep(
    trial: &Trial<'_>,
    key: &RecordKey,
    expected: Option<Version>,
    keep_for: Duration,
) -> Verdict<Version> {
    let write = Write { keep_for, ..Write::new(key, expected, &body("kept")) };
    trial.client.sent(&write).await
}
