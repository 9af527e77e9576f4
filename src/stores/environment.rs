//! The stores that the environment variables name.

use std::{env, sync::Arc};

use zeroize::Zeroizing;

use super::{
    Stores,
    open::{ForFunctions, Opening, Wanted},
    sealed::{SEAL_KEYS, SealKeys, seal, seal_answers},
    url::Backend,
};
use crate::config_error::ConfigError;
use crate::variables;

/// Names the backend of tokens, circuits and idempotency.
const BOTH: &str = "FUNCIFY_BACKEND";
/// Overrides the backend of tokens.
const TOKENS: &str = "FUNCIFY_TOKENS";
/// Overrides the backend of circuits.
const CIRCUITS: &str = "FUNCIFY_CIRCUITS";
/// Overrides the backend of idempotency.
const IDEMPOTENCY: &str = "FUNCIFY_IDEMPOTENCY";

impl Stores {
    /// Opens the stores that the environment variables name.
    ///
    /// | variable | |
    /// |---|---|
    /// | `FUNCIFY_BACKEND` | the URL of one store for everything, as for [`Stores::from_url`] |
    /// | `FUNCIFY_TOKENS`, `FUNCIFY_CIRCUITS`, `FUNCIFY_IDEMPOTENCY` | another store for one part |
    /// | `FUNCIFY_SEAL_KEYS` | the keys that [seal](Self::sealed) tokens and the answers of idempotency, unless these stay in the memory of this process |
    /// | `FUNCIFY_METRICS` | `emf:NAMESPACE` writes metrics to the log from now on; see `docs/operations.md` in the repository |
    ///
    /// Without `FUNCIFY_BACKEND` and `FUNCIFY_IDEMPOTENCY`, the records of idempotency are in the store of
    /// the circuits. There is no default store: a fleet whose instances share nothing would not notice it.
    ///
    /// This does no network I/O. It is async because loading the AWS configuration is.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Invalid`] names the variable that is missing or cannot be used, or a `FUNCIFY_`
    /// variable whose name looks like a typing error. If this build does not include a store,
    /// [`ConfigError::FeatureDisabled`] is among its sources.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), funcify::ConfigError> {
    /// let stores = funcify::Stores::from_env().await?;
    /// # let _ = stores;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn from_env() -> Result<Self, ConfigError> {
        #[cfg(feature = "lambda")]
        crate::metrics::install_from_env()?;
        let environment = Environment::read()?;
        let (mut opening, wanted) = (Opening::default(), ForFunctions);
        let Environment { tokens, circuits, idempotency, seal_keys } = environment;
        let mut stores = tokens.open(&mut opening, wanted).await?;
        if circuits.backend != tokens.backend {
            let opened = circuits.open(&mut opening, wanted).await?;
            (stores.circuits, stores.idempotency) = (opened.circuits, opened.idempotency);
        }
        if idempotency.backend != circuits.backend {
            stores.idempotency = idempotency.open(&mut opening, wanted).await?.idempotency;
        }
        if let Some(keys) = seal_keys {
            if tokens.backend != Backend::Memory {
                stores.tokens = seal(stores.tokens, &keys);
            }
            if idempotency.backend != Backend::Memory {
                stores.idempotency = seal_answers(stores.idempotency, &keys);
            }
        }
        Ok(stores)
    }
}

/// The settings of the stores in the environment.
pub(super) struct Environment {
    pub(super) tokens: Setting,
    pub(super) circuits: Setting,
    pub(super) idempotency: Setting,
    pub(super) seal_keys: Option<Arc<SealKeys>>,
}

impl Environment {
    pub(super) fn read() -> Result<Self, ConfigError> {
        variables::check(variables::names())?;
        let tokens = Setting::read(TOKENS)?;
        let circuits = Setting::read(CIRCUITS)?;
        let idempotency = Setting::read(IDEMPOTENCY)?;
        let overrides_all = tokens.is_some() && circuits.is_some() && idempotency.is_some();
        let both = if overrides_all { None } else { Setting::read(BOTH)? };
        let variable = match (&tokens, &circuits) {
            (Some(_), _) => CIRCUITS,
            (None, Some(_)) => TOKENS,
            (None, None) => BOTH,
        };
        let tokens = tokens.or_else(|| both.clone()).ok_or_else(|| missing(variable))?;
        let circuits = circuits.or_else(|| both.clone()).ok_or_else(|| missing(variable))?;
        let idempotency = idempotency.or(both).unwrap_or_else(|| circuits.clone());
        Ok(Self { tokens, circuits, idempotency, seal_keys: seal_keys()?.map(Arc::new) })
    }

    /// Everything in one backend, whose URL comes from the command line. The seal keys still come from the
    /// environment.
    pub(super) fn at(backend: Backend) -> Result<Self, ConfigError> {
        let all = Setting { variable: "--backend", backend };
        Ok(Self {
            tokens: all.clone(),
            circuits: all.clone(),
            idempotency: all,
            seal_keys: seal_keys()?.map(Arc::new),
        })
    }
}

/// A variable with the backend that it names.
#[derive(Clone)]
pub(super) struct Setting {
    variable: &'static str,
    pub(super) backend: Backend,
}

impl Setting {
    /// Reads a variable. An empty one counts as not set.
    fn read(variable: &'static str) -> Result<Option<Self>, ConfigError> {
        let Some(value) = env::var_os(variable).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        let backend = value.to_str().ok_or_else(not_unicode).and_then(str::parse);
        Ok(Some(Self { variable, backend: backend.map_err(in_variable(variable))? }))
    }

    pub(super) async fn open<W: Wanted>(
        &self,
        opening: &mut Opening,
        wanted: W,
    ) -> Result<W::Made, ConfigError> {
        opening.open(&self.backend, wanted).await.map_err(in_variable(self.variable))
    }
}

/// The keys in `FUNCIFY_SEAL_KEYS`, if it is set. An empty variable is an error. Otherwise a deployment that
/// fails to fill it in would store its tokens in the clear.
fn seal_keys() -> Result<Option<SealKeys>, ConfigError> {
    let keys = match env::var(SEAL_KEYS) {
        Ok(keys) => SealKeys::parse(&Zeroizing::new(keys)).map(Some),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(not_unicode()),
    };
    keys.map_err(in_variable(SEAL_KEYS))
}

fn in_variable(variable: &'static str) -> impl FnOnce(ConfigError) -> ConfigError {
    move |fault| ConfigError::because(format!("{variable} cannot be used"), fault)
}

fn missing(variable: &str) -> ConfigError {
    let missing = if variable == BOTH {
        format!("{BOTH} is not set")
    } else {
        format!("neither {variable} nor {BOTH} is set")
    };
    ConfigError::invalid(format!(
        "{missing}: expected the URL of a backend, one of memory:, redis://host, \
         dynamodb://table, ssm:///path"
    ))
}

fn not_unicode() -> ConfigError {
    ConfigError::invalid("expected text, got bytes that are not valid Unicode")
}
