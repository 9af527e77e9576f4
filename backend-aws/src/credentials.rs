//! Credentials that may take longer to load than one request may take, such as those of
//! `credential_process`.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_config::SdkConfig;
use aws_credential_types::{
    Credentials,
    provider::{
        self, ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future,
    },
};
use funcify_core::engine::error_chain;
use tokio::sync::watch;

/// The text of the SDK's error for a configuration that it has refused before. Only its first error
/// contains the cause.
const SAID_BEFORE: &str = "already taken";

/// Returns the same configuration, with credentials that continue to load if the request that needs them
/// is given up. The next request uses them, or waits until they are loaded.
pub(crate) fn with_shared_loading(config: SdkConfig) -> SdkConfig {
    let Some(inner) = config.credentials_provider() else { return config };
    let loading = Loading { inner, state: Arc::default() };
    let provider = SharedCredentialsProvider::new(loading);
    config.into_builder().credentials_provider(provider).build()
}

struct Loading {
    inner: SharedCredentialsProvider,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Receives the result of the load that is under way.
    under_way: Option<watch::Receiver<Option<Loaded>>>,
    /// Why the SDK refused the configuration, from its first error.
    refused: Option<String>,
}

type Loaded = Result<Credentials, String>;

impl Loading {
    async fn load(&self) -> provider::Result {
        let mut under_way = self.under_way();
        let loaded = match under_way.wait_for(Option::is_some).await {
            Ok(loaded) => loaded.clone(),
            // The task that loads has panicked.
            Err(_) => None,
        };
        loaded
            .unwrap_or_else(|| Err("the credentials could not be loaded".to_owned()))
            .map_err(CredentialsError::provider_error)
    }

    /// Returns the load that is under way, or starts one in a task of its own.
    fn under_way(&self) -> watch::Receiver<Option<Loaded>> {
        let mut state = lock(&self.state);
        if let Some(under_way) = &state.under_way
            && under_way.borrow().is_none()
            && under_way.has_changed().is_ok()
        {
            return under_way.clone();
        }
        let (done, under_way) = watch::channel(None);
        let (inner, shared) = (self.inner.clone(), Arc::clone(&self.state));
        state.under_way = Some(under_way.clone());
        drop(state);
        tokio::spawn(async move {
            let loaded = inner.provide_credentials().await;
            let loaded = loaded.map_err(|error| lock(&shared).cause_of(&error));
            done.send_replace(Some(loaded));
            lock(&shared).under_way = None;
        });
        under_way
    }
}

impl State {
    /// Returns the cause of an error. If the SDK does not repeat the cause, returns the cause that it gave
    /// before.
    fn cause_of(&mut self, error: &CredentialsError) -> String {
        let cause = error_chain(error);
        match &self.refused {
            Some(refused) if cause.contains(SAID_BEFORE) => refused.clone(),
            _ => self.refused.insert(cause).clone(),
        }
    }
}

impl ProvideCredentials for Loading {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.load())
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.inner.fallback_on_interrupt()
    }
}

impl fmt::Debug for Loading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loading").finish_non_exhaustive()
    }
}

/// Locks the state. A panic cannot leave it half updated, so a poisoned lock is used as it is.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
