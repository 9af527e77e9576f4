//! Collects every record that is stored at one key during a test.

use std::time::Duration;

use funcify_core::register::{RecordKey, Version};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::Store;

/// The time between two reads. A lease and its token are further apart, because the provider is asked in
/// between.
const PAUSE: Duration = Duration::from_millis(10);

pub(super) struct History {
    stop: oneshot::Sender<()>,
    seen: JoinHandle<Vec<Value>>,
}

impl History {
    /// Starts to watch the key.
    pub(super) fn of(store: &Store, key: &RecordKey) -> Self {
        let (store, key) = (store.clone(), key.clone());
        let (stop, mut stopped) = oneshot::channel();
        let seen = tokio::spawn(async move {
            let (mut seen, mut last) = (Vec::new(), None::<Version>);
            loop {
                // On a busy machine a read may fail. Then another one follows, even at the end.
                let is_last = stopped.try_recv().is_ok();
                if let Ok(Some(found)) = store.register.read(&key).await
                    && last.replace(found.version) != Some(found.version)
                {
                    seen.push(Value::Object(found.value.into()));
                }
                if is_last {
                    return seen;
                }
                sleep(PAUSE).await;
            }
        });
        Self { stop, seen }
    }

    /// The records in order. A record that was there at the beginning comes first.
    pub(super) async fn ends(self) -> Vec<Value> {
        self.stop.send(()).unwrap();
        self.seen.await.unwrap()
    }
}
