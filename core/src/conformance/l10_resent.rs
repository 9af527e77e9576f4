//! L10: a write that is sent again while it is stored is answered as applied, before any other check.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{
    Fault, Faulty,
    check::checks,
    client::{Write, body},
    trial::Trial,
    verdict::{Shortfall, Verdict, ensure},
};
use crate::{
    circuit::{CircuitRecord, CircuitStateProvider},
    register::{Register, Swap, WriteId},
    token::{TokenPersistenceProvider, TokenRecord},
};

checks! { L10:
    a_first_write_sent_again_is_applied_again,
    a_write_sent_again_is_applied_again,
    a_write_sent_three_times_makes_one_version,
    a_write_sent_again_by_another_client_is_applied,
    a_write_sent_again_after_another_write_conflicts,
    a_write_sent_again_after_another_write_changes_nothing,
    a_first_write_sent_again_after_another_write_conflicts,
    a_refused_write_sent_again_is_refused_again,
    one_write_sent_by_many_clients_at_once_is_applied_for_all,
    a_late_duplicate_changes_nothing,
    a_token_written_again_with_the_same_id_is_applied,
    a_circuit_written_again_with_the_same_id_is_applied,
}

async fn a_first_write_sent_again_is_applied_again(trial: &Trial<'_>) -> Verdict {
    for key in [trial.token()?, trial.circuit()?] {
        applied_again(trial, &Write::new(&key, None, &body(1))).await?;
    }
    Ok(())
}

async fn a_write_sent_again_is_applied_again(trial: &Trial<'_>) -> Verdict {
    for key in [trial.token()?, trial.circuit()?] {
        let first = trial.client.write(&key, None, &body(1)).await?;
        applied_again(trial, &Write::new(&key, Some(first), &body(2))).await?;
    }
    Ok(())
}

async fn a_write_sent_three_times_makes_one_version(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    let write = Write::new(&key, None, &body(1));
    let first = trial.client.sent(&write).await?;
    trial.client.sent(&write).await?;
    trial.client.sent(&write).await?;
    trial.client.shows(&key, first, &body(1)).await?;
    trial.client.write(&key, Some(first), &body(2)).await.map(drop)
}

async fn a_write_sent_again_by_another_client_is_applied(trial: &Trial<'_>) -> Verdict {
    let write = Write::new(&trial.token()?, None, &body(1));
    let first = trial.client.sent(&write).await?;
    let again = trial.other.sent(&write).await?;
    ensure!(first == again, "applied as {first:?}, applied again as {again:?}");
    Ok(())
}

async fn a_write_sent_again_after_another_write_conflicts(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    let first = trial.client.write(&key, None, &body(1)).await?;
    let write = Write::new(&key, Some(first), &body(2));
    let second = trial.client.sent(&write).await?;
    trial.other.write(&key, Some(second), &body(3)).await?;
    is_refused(trial, &write).await
}

async fn a_write_sent_again_after_another_write_changes_nothing(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    let first = trial.client.write(&key, None, &body(1)).await?;
    let write = Write::new(&key, Some(first), &body(2));
    let second = trial.client.sent(&write).await?;
    let third = trial.other.write(&key, Some(second), &body(3)).await?;
    trial.client.send(&write).await?;
    trial.client.shows(&key, third, &body(3)).await?;
    trial.other.write(&key, Some(third), &body(4)).await.map(drop)
}

async fn a_first_write_sent_again_after_another_write_conflicts(trial: &Trial<'_>) -> Verdict {
    let key = trial.circuit()?;
    let write = Write::new(&key, None, &body(1));
    let first = trial.client.sent(&write).await?;
    trial.other.write(&key, Some(first), &body(2)).await?;
    is_refused(trial, &write).await
}

async fn a_refused_write_sent_again_is_refused_again(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    let first = trial.client.write(&key, None, &body(1)).await?;
    let write = Write::new(&key, None, &body("refused"));
    is_refused(trial, &write).await?;
    is_refused(trial, &write).await?;
    trial.client.shows(&key, first, &body(1)).await
}

async fn one_write_sent_by_many_clients_at_once_is_applied_for_all(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    let first = trial.client.write(&key, None, &body(1)).await?;
    let write = Write::new(&key, Some(first), &body(2));
    let mut sides = JoinSet::new();
    for client in [&trial.client, &trial.other, &trial.client, &trial.other] {
        let (client, write) = (client.clone(), write.clone());
        sides.spawn(async move { client.sent(&write).await });
    }
    let mut version = None;
    while let Some(side) = sides.join_next().await {
        let applied = side.map_err(|error| Shortfall::Broken(error.to_string()))??;
        let before = *version.get_or_insert(applied);
        ensure!(before == applied, "applied as {before:?} and as {applied:?}");
    }
    match version {
        Some(version) => trial.client.shows(&key, version, &body(2)).await,
        None => Err(Shortfall::Broken("nobody wrote".to_owned())),
    }
}

async fn a_late_duplicate_changes_nothing(trial: &Trial<'_>) -> Verdict {
    let late = Faulty::new(Arc::clone(&trial.client.register));
    let key = trial.token()?;
    let first = trial.client.write(&key, None, &body(1)).await?;
    late.script([Fault::Duplicate { later: 1 }]);
    let duplicated = Write::new(&key, Some(first), &body(2));
    let Swap::Applied(second) = duplicated.once(&late).await? else {
        return Err(Shortfall::Broken("a write on what was read conflicts".to_owned()));
    };
    let third = trial.other.write(&key, Some(second), &body(3)).await?;
    Register::read(&late, &key).await?;
    Register::read(&late, &key).await?;
    trial.client.shows(&key, third, &body(3)).await
}

async fn a_token_written_again_with_the_same_id_is_applied(trial: &Trial<'_>) -> Verdict {
    let (key, id) = (trial.name()?, WriteId::random());
    let (store, record) = (&trial.client.store, TokenRecord::default());
    let first = store.write(&key, None, id, &record).await?;
    let again = store.write(&key, None, id, &record).await?;
    ensure!(matches!(first, Swap::Applied(_)) && first == again, "{first:?}, then {again:?}");
    Ok(())
}

async fn a_circuit_written_again_with_the_same_id_is_applied(trial: &Trial<'_>) -> Verdict {
    let (name, id) = (trial.name()?, WriteId::random());
    let (store, record) = (&trial.client.store, CircuitRecord::default());
    let first = store.update_state(&name, None, id, &record).await?;
    let again = store.update_state(&name, None, id, &record).await?;
    ensure!(matches!(first, Swap::Applied(_)) && first == again, "{first:?}, then {again:?}");
    Ok(())
}

async fn applied_again(trial: &Trial<'_>, write: &Write) -> Verdict {
    let first = trial.client.sent(write).await?;
    let again = trial.client.sent(write).await?;
    ensure!(first == again, "applied as {first:?}, applied again as {again:?}");
    trial.client.shows(&write.key, first, &write.body).await
}

async fn is_refused(trial: &Trial<'_>, write: &Write) -> Verdict {
    match trial.client.send(write).await? {
        Swap::Conflict(_) => Ok(()),
        Swap::Applied(version) => Err(Shortfall::Broken(format!(
            "expected a conflict, the write was applied as {version:?}"
        ))),
    }
}
