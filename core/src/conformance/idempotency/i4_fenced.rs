//! I4: a claimant whose claim was taken over can no longer complete or release it.

use super::super::{
    check::checks,
    trial::Trial,
    verdict::{Verdict, ensure},
};
use super::caller::{Caller, Claim};

checks! { I4:
    a_claim_that_was_taken_over_does_not_complete,
    a_claim_that_was_taken_over_does_not_release,
    every_claim_has_a_greater_fence,
}

async fn a_claim_that_was_taken_over_does_not_complete(trial: &Trial<'_>) -> Verdict {
    let (caller, late, successor) = taken_over(trial).await?;
    ensure!(!caller.completes(&late, "late").await?, "a claim that was taken over completed");
    let other = caller.other(trial);
    other.must_complete(&successor, "right").await?;
    ensure!(!caller.completes(&late, "late").await?, "a late completion replaced the answer");
    caller.gets("right").await
}

async fn a_claim_that_was_taken_over_does_not_release(trial: &Trial<'_>) -> Verdict {
    let (caller, late, successor) = taken_over(trial).await?;
    ensure!(!caller.releases(&late).await?, "a claim released that of its successor");
    caller.other(trial).must_complete(&successor, "right").await?;
    caller.gets("right").await
}

async fn every_claim_has_a_greater_fence(trial: &Trial<'_>) -> Verdict {
    let caller = Caller::new(trial)?;
    let mut last = 0;
    for attempt in 1..=5 {
        let claim = caller.claims().await?;
        let (fence, count) = (claim.record.fence, claim.record.attempt);
        ensure!(fence > last, "the fence {fence} follows {last}");
        ensure!(count == attempt, "attempt {attempt} counts as {count}");
        last = fence;
        ensure!(caller.releases(&claim).await?, "a release of a claim that stands conflicts");
    }
    Ok(())
}

/// Returns a claim that another process took over, and the claim of that process.
async fn taken_over(trial: &Trial<'_>) -> Verdict<(Caller, Claim, Claim)> {
    let caller = Caller::new(trial)?;
    let late = caller.claims().await?;
    ensure!(caller.releases(&late).await?, "a release of a claim that stands conflicts");
    let successor = caller.other(trial).claims().await?;
    Ok((caller, late, successor))
}
