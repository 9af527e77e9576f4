//! I6: no key is blocked for ever.

use std::time::Duration;

use super::super::{
    Raw,
    check::checks,
    trial::Trial,
    verdict::{Shortfall, Verdict, ensure},
};
use super::caller::{Caller, Got};
use crate::{
    clock::{Clock, SystemClock},
    register::WriteId,
};

checks! { I6:
    a_claim_that_is_over_is_taken_over,
    a_corrupt_record_is_a_free_key,
    a_lost_record_is_a_free_key,
}

async fn a_claim_that_is_over_is_taken_over(trial: &Trial<'_>) -> Verdict {
    let caller = Caller::new(trial)?;
    let length = Duration::from_secs(1);
    // The claimant died a minute ago.
    let began = SystemClock.now() - Duration::from_secs(60);
    let Got::Claim(dead) = caller.ask_at(began, length).await? else {
        return Err(Shortfall::Broken("a free key was not claimed".to_owned()));
    };
    let claim = caller.other(trial).claims().await?;
    ensure!(claim.record.attempt == 2, "attempt 2 counts as {}", claim.record.attempt);
    ensure!(!caller.completes(&dead, "late").await?, "a claim that was taken over completed");
    caller.other(trial).must_complete(&claim, "1").await?;
    caller.gets("1").await
}

async fn a_corrupt_record_is_a_free_key(trial: &Trial<'_>) -> Verdict {
    let caller = Caller::new(trial)?;
    let raw = Raw::Corrupt { id: WriteId::random(), text: "{" };
    if !trial.subject.inject(&caller.record_key(), raw).await? {
        return Err(Shortfall::cannot_inject());
    }
    let claim = caller.claims().await?;
    caller.must_complete(&claim, "1").await?;
    caller.other(trial).gets("1").await
}

async fn a_lost_record_is_a_free_key(trial: &Trial<'_>) -> Verdict {
    let caller = Caller::new(trial)?;
    let lost = caller.claims().await?;
    if !trial.subject.inject(&caller.record_key(), Raw::Deleted).await? {
        return Err(Shortfall::cannot_inject());
    }
    ensure!(!caller.completes(&lost, "1").await?, "a completion was applied on a lost record");
    let claim = caller.claims().await?;
    caller.must_complete(&claim, "2").await?;
    caller.other(trial).gets("2").await
}
