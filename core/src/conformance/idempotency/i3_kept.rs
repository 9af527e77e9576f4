//! I3: a completed record is never replaced before it expires.

use super::super::{
    check::checks,
    trial::Trial,
    verdict::{Verdict, ensure},
};
use super::caller::Caller;

checks! { I3:
    a_second_completion_does_not_replace_the_answer,
    a_release_does_not_replace_the_answer,
}

async fn a_second_completion_does_not_replace_the_answer(trial: &Trial<'_>) -> Verdict {
    let caller = Caller::new(trial)?;
    let claim = caller.claims().await?;
    caller.must_complete(&claim, "1").await?;
    for again in [caller.clone(), caller.other(trial)] {
        ensure!(!again.completes(&claim, "2").await?, "an answer was replaced");
    }
    caller.gets("1").await
}

async fn a_release_does_not_replace_the_answer(trial: &Trial<'_>) -> Verdict {
    let caller = Caller::new(trial)?;
    let claim = caller.claims().await?;
    caller.must_complete(&claim, "1").await?;
    ensure!(!caller.releases(&claim).await?, "an answer was released");
    caller.other(trial).gets("1").await
}
