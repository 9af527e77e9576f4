//! Opens the stores that the command works on.

use funcify::{Operated, OperatedStore};

use crate::error::Failed;

pub(crate) async fn open(backend: Option<&str>) -> Result<Operated, Failed> {
    Ok(Operated::open(backend).await?)
}

/// Returns the store, or an error if it is the memory of this process, which has nothing to show.
pub(crate) fn shared(store: &OperatedStore) -> Result<&OperatedStore, Failed> {
    if store.backend == "memory" {
        return Err(Failed::usage(
            "`memory:` is the memory of one process, and nobody shares it: there is nothing to look at from \
             here. Name the store of the fleet with --backend: redis://host, dynamodb://table or ssm:///path",
        ));
    }
    Ok(store)
}
