//! Forgets a key, so that the next call does the work again.

use funcify::Operated;
use funcify_core::{idempotency::IdempotencyRecord, register::RecordName};
use serde_json::json;

use super::{
    read::{missing, stored},
    text,
};
use crate::{ask, error::Failed, output::Output, swap, time};

pub(super) async fn run(
    opened: &Operated,
    name: &RecordName,
    yes: bool,
    output: Output,
) -> Result<(), Failed> {
    let found = stored(opened, name).await?.ok_or_else(|| missing(name))?;
    let state = text::state(&found, time::now());
    let beside = if state == "in progress" {
        "\nA call is working on it. The next call will do the work at the same time, and only one answer is kept."
    } else {
        ""
    };
    ask::confirm(
        &format!(
            "`{name}` is {state}. Forgotten, the next call with this key does the work again, with any payload, \
             and its effect may happen twice.{beside}"
        ),
        yes,
    )?;
    let is_changed = swap::change(&opened.idempotency.register, name, forgotten).await?;
    if output.json {
        println!("{}", json!({ "name": name.as_ref(), "changed": is_changed }));
    } else {
        println!("`{name}` is forgotten");
    }
    Ok(())
}

/// The record without its claim and its answer. It keeps the fence, so that the next one is greater: a
/// database may refuse a smaller one.
fn forgotten(record: IdempotencyRecord) -> Option<IdempotencyRecord> {
    let next = IdempotencyRecord {
        fence: record.fence,
        unknown: record.unknown.clone(),
        ..IdempotencyRecord::default()
    };
    (record != next).then_some(next)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use funcify_core::{
        Timestamp,
        engine::{Claimant, KeyDecision, decide_key},
    };

    use super::*;

    #[test]
    fn a_forgotten_key_is_free_for_any_payload_and_its_next_fence_is_greater() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let length = Duration::from_secs(30);
        let claimant = |fingerprint| Claimant { fingerprint, length, watched: Duration::ZERO };
        let claimed = IdempotencyRecord::default().claimed(&claimant("a"), now);
        for record in [
            claimed.clone(),
            claimed.clone().completed(Some("1".to_owned()), Duration::from_secs(86_400), now),
            claimed.clone().released(now),
        ] {
            let next = forgotten(record).unwrap();
            let earlier = now - Duration::from_secs(60);
            let KeyDecision::Claim(taken) = decide_key(&next, &claimant("b"), earlier) else {
                panic!("the key is not free: {next:?}");
            };
            assert!(taken.fence > claimed.fence, "{taken:?}");
            assert_eq!(forgotten(next), None, "nothing is written twice");
        }
    }
}
