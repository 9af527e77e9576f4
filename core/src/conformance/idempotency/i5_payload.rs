//! I5: a caller with another payload never gets the answer.

use super::super::{
    check::checks,
    trial::Trial,
    verdict::{Shortfall, Verdict},
};
use super::caller::{Caller, Got};

checks! { I5:
    another_payload_gets_neither_the_claim_nor_the_answer,
    another_payload_does_not_get_a_key_that_was_released,
}

async fn another_payload_gets_neither_the_claim_nor_the_answer(trial: &Trial<'_>) -> Verdict {
    let caller = Caller::new(trial)?;
    let claim = caller.claims().await?;
    mismatches(&caller).await?;
    caller.must_complete(&claim, "1").await?;
    mismatches(&caller).await?;
    caller.gets("1").await
}

async fn another_payload_does_not_get_a_key_that_was_released(trial: &Trial<'_>) -> Verdict {
    let caller = Caller::new(trial)?;
    let claim = caller.claims().await?;
    caller.releases(&claim).await?;
    mismatches(&caller).await?;
    caller.claims().await.map(drop)
}

async fn mismatches(caller: &Caller) -> Verdict {
    match caller.with_another_payload().ask().await? {
        Got::Mismatch => Ok(()),
        got => Err(Shortfall::Broken(format!("expected a mismatch, got {got:?}"))),
    }
}
