//! The process that is measured: it opens a store, reads it once, and says when it is ready and when it is answered.

use funcify::Stores;

use crate::{
    aws, redis,
    side::{NAME, Side, Store, named, reached},
};

/// Runs the side that [`named`] names, on the runtime of a small function.
pub(crate) fn run(measured: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("expected a runtime");
    let is = |store, side| measured == named(store, side);
    runtime.block_on(async {
        match measured {
            _ if is(Store::Redis, Side::Bare) => redis::bare().await,
            _ if is(Store::DynamoDb, Side::Bare) => aws::bare_dynamodb().await,
            _ if is(Store::Ssm, Side::Bare) => aws::bare_ssm().await,
            _ => ours().await,
        }
    });
}

/// What a function does that reads the state of a circuit.
async fn ours() {
    let stores = Stores::from_env().await.expect("expected a store");
    reached();
    let circuit = NAME.parse().expect("expected a name");
    let read = stores.circuits.circuit_state(&circuit).await;
    assert!(matches!(read, Ok(None)), "{read:?}");
    reached();
}
