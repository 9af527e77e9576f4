//! I1: at most one execution for a key, unless its claim ended.

use tokio::{task::JoinSet, time::sleep};

use std::time::Duration;

use super::super::{
    check::checks,
    trial::Trial,
    verdict::{Shortfall, Verdict, ensure},
};
use super::caller::{Caller, Got};

checks! { I1:
    of_concurrent_duplicates_exactly_one_may_work,
    of_many_who_take_over_exactly_one_may_work,
    a_duplicate_does_not_work_while_the_claim_stands,
}

async fn of_concurrent_duplicates_exactly_one_may_work(trial: &Trial<'_>) -> Verdict {
    for _ in 0..5 {
        one_may_work(trial, &Caller::new(trial)?).await?;
    }
    Ok(())
}

async fn of_many_who_take_over_exactly_one_may_work(trial: &Trial<'_>) -> Verdict {
    for _ in 0..5 {
        let caller = Caller::new(trial)?;
        let first = caller.claims().await?;
        ensure!(caller.releases(&first).await?, "a release of a claim that stands conflicts");
        one_may_work(trial, &caller).await?;
    }
    Ok(())
}

async fn a_duplicate_does_not_work_while_the_claim_stands(trial: &Trial<'_>) -> Verdict {
    let caller = Caller::new(trial)?;
    caller.claims().await?;
    for duplicate in [caller.other(trial), caller.clone()] {
        match duplicate.ask().await? {
            Got::InProgress => {}
            got => return Err(Shortfall::Broken(format!("expected to wait, got {got:?}"))),
        }
    }
    Ok(())
}

/// Checks that exactly one of eight callers of two processes gets the claim.
async fn one_may_work(trial: &Trial<'_>, caller: &Caller) -> Verdict {
    let mut asking = JoinSet::new();
    for number in 0..8 {
        let caller = if number % 2 == 0 { caller.clone() } else { caller.other(trial) };
        asking.spawn(async move {
            sleep(Duration::from_millis(number % 3)).await;
            caller.ask().await
        });
    }
    let mut claims = 0;
    while let Some(got) = asking.join_next().await {
        let got = got.map_err(|error| Shortfall::Broken(error.to_string()))?;
        claims += u32::from(matches!(got?, Got::Claim(_)));
    }
    ensure!(claims == 1, "{claims} of eight duplicates may work");
    Ok(())
}
