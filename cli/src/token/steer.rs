//! Makes the fleet renew a token, and empties its record.

use std::sync::Arc;

use funcify::Operated;
use funcify_core::{
    StoreErrorKind,
    register::{RecordName, Swap, WriteId},
    token::{TokenPersistenceProvider, TokenRecord},
};
use serde_json::json;

use super::{
    read::{missing, stored},
    text,
};
use crate::{ask, error::Failed, output::Output, swap, time};

pub(super) async fn rotate(
    opened: &Operated,
    key: &RecordName,
    yes: bool,
    output: Output,
) -> Result<(), Failed> {
    let found = stored(opened, key).await?.ok_or_else(|| missing(key))?;
    let now = time::now();
    if found.value.token.is_none() || found.value.expires_at <= now {
        return Err(Failed::usage(format!(
            "`{key}` has no token that is valid: the next request of the fleet fetches one anyway"
        )));
    }
    // The seal covers the times, so a record whose times change must be sealed again.
    let is_sealed = text::is_sealed(&found.value);
    if is_sealed && opened.unsealed.is_none() {
        return Err(Failed::usage(format!(
            "`{key}` is sealed: set FUNCIFY_SEAL_KEYS to the keys of the fleet, or make the fleet fetch a new token \
             with `funcify token forget {key}`"
        )));
    }
    ask::confirm(
        &format!(
            "The fleet will renew `{key}` with its next request that reads the record, by one grant. Instances \
             that hold the token in memory use it until it is due for them or an API rejects it."
        ),
        yes,
    )?;
    let store: Arc<dyn TokenPersistenceProvider> = match &opened.unsealed {
        Some(unsealed) if is_sealed => Arc::clone(unsealed),
        _ => Arc::new(opened.tokens.register.clone()),
    };
    mark(&*store, key).await?;
    said(output, key, "is marked: the next request that reads the record renews it");
    Ok(())
}

/// Makes the token due now. Keeps a lease: its holder is already renewing the token.
async fn mark(store: &dyn TokenPersistenceProvider, key: &RecordName) -> Result<(), Failed> {
    for _ in 0..20 {
        let Some(found) = store.read(key).await? else { return Err(missing(key)) };
        if let Some(corruption) = found.corruption {
            return Err(Failed::usage(format!("`{key}` cannot be marked: {corruption}")));
        }
        let now = time::now();
        let refresh_at = found.value.refresh_at.min(now);
        let next = TokenRecord { refresh_at, ..found.value };
        match store.write(key, Some(found.version), WriteId::random(), &next).await {
            Ok(Swap::Applied(_)) => return Ok(()),
            Ok(Swap::Conflict(_)) => {}
            // Try again: to mark the token twice does no harm.
            Err(error) if error.kind() == StoreErrorKind::Ambiguous => {}
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    Err(Failed::Busy)
}

pub(super) async fn forget(
    opened: &Operated,
    key: &RecordName,
    yes: bool,
    output: Output,
) -> Result<(), Failed> {
    if stored(opened, key).await?.is_none() {
        return Err(missing(key));
    }
    ask::confirm(
        &format!(
            "The record of `{key}` will be empty: token, lease and remembered failure are gone. The next instance \
             that reads it fetches a token. Instances that hold the token in memory keep it until it is due."
        ),
        yes,
    )?;
    swap::change(&opened.tokens.register, key, |record: TokenRecord| {
        let empty = TokenRecord::default();
        (record != empty).then_some(empty)
    })
    .await?;
    said(output, key, "is empty");
    Ok(())
}

fn said(output: Output, key: &RecordName, what: &str) {
    if output.json {
        println!("{}", json!({ "key": key.as_ref(), "changed": true }));
    } else {
        println!("`{key}` {what}");
    }
}
