//! What the record remembers of the calls in a window: buckets, coarser the older they are.

use std::time::Duration;

use super::super::report::Report;
use crate::{Timestamp, circuit::Bucket};

/// The buckets with one more report: a second wide, two seconds from four seconds on, an eighth of
/// the window from twelve seconds on. The short windows need the fine ones; a minute then fits into
/// 18 buckets, and a full record into 1 KB.
pub(super) fn with_report(
    buckets: &[Bucket],
    report: &Report,
    window: Duration,
    now: Timestamp,
) -> Vec<Bucket> {
    let coarse = (window.as_secs() / 8).max(8);
    let oldest = now - window - Duration::from_secs(coarse);
    let report = bucket_of(report, now);
    let mut cells: Vec<Bucket> = Vec::with_capacity(buckets.len() + 1);
    for bucket in buckets.iter().filter(|bucket| bucket.at >= oldest).chain([&report]) {
        let width = match now.since(bucket.at).as_secs() {
            0..4 => 1,
            4..12 => 2,
            _ => coarse,
        };
        let at = floored(bucket.at, width);
        match cells.iter_mut().find(|cell| cell.at == at) {
            Some(cell) => cell.absorb(bucket),
            None => cells.push(Bucket { at, ..*bucket }),
        }
    }
    cells
}

/// The report as a bucket of its own.
fn bucket_of(report: &Report, now: Timestamp) -> Bucket {
    let weight = report.weight.max(1);
    let failed = u32::from(report.outcome.is_failure());
    let slow = u32::from(report.slow);
    Bucket {
        at: now,
        calls: weight,
        failures: weight * failed,
        slow: weight * slow,
        reports: 1,
        failed_reports: failed,
        slow_reports: slow,
    }
}

/// How far the buckets within the window reach back: at least a second.
pub(super) fn covered(buckets: &[Bucket], window: Duration, now: Timestamp) -> Duration {
    let start = start_of(window, now);
    let first = buckets.iter().map(|bucket| bucket.at).filter(|at| *at >= start).min();
    first.map_or(Duration::ZERO, |first| now.since(first)).max(Duration::from_secs(1))
}

/// When a span of time began, on a whole second as the buckets do.
pub(super) fn start_of(span: Duration, now: Timestamp) -> Timestamp {
    floored(now - span, 1)
}

fn floored(at: Timestamp, seconds: u64) -> Timestamp {
    let width = i64::try_from(seconds.max(1)).unwrap_or(1).saturating_mul(1_000);
    Timestamp::from_millis(at.as_millis().saturating_sub(at.as_millis().rem_euclid(width)))
}
