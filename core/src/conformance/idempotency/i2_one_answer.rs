//! I2: all callers that get an answer get the same answer.

use super::super::{
    Fault,
    check::checks,
    trial::Trial,
    verdict::{Shortfall, Verdict, ensure},
};
use super::caller::Caller;

checks! { I2:
    every_duplicate_gets_the_answer,
    an_answer_of_every_script_comes_back,
    an_answer_whose_completion_lost_its_reply_is_the_answer,
}

async fn every_duplicate_gets_the_answer(trial: &Trial<'_>) -> Verdict {
    let caller = Caller::new(trial)?;
    let claim = caller.claims().await?;
    caller.must_complete(&claim, r#"{"Ok":1}"#).await?;
    for _ in 0..3 {
        caller.gets(r#"{"Ok":1}"#).await?;
        caller.other(trial).gets(r#"{"Ok":1}"#).await?;
    }
    Ok(())
}

async fn an_answer_of_every_script_comes_back(trial: &Trial<'_>) -> Verdict {
    let answer = r#"{"Ok":"zażółć {{x}} \u0000 \\\" 🦀\n"}"#;
    let caller = Caller::new(trial)?;
    let claim = caller.claims().await?;
    caller.must_complete(&claim, answer).await?;
    caller.other(trial).gets(answer).await
}

async fn an_answer_whose_completion_lost_its_reply_is_the_answer(trial: &Trial<'_>) -> Verdict {
    let caller = Caller::new(trial)?;
    let claim = caller.claims().await?;
    let faulty = Caller::on(trial.faulty()?, caller.key.clone());
    if !trial.subject.enable_fault(Fault::LoseReply).await {
        return Err(Shortfall::cannot_break());
    }
    let done = faulty.completes(&claim, "1").await;
    trial.subject.enable_fault(Fault::Pass).await;
    ensure!(done?, "a completion that is sent again conflicts with itself");
    caller.gets("1").await
}
