//! Sets up the function, from the environment or with stand-ins for other services on this machine.

use std::{env, error::Error};

use funcify::{
    Api, Authenticator, CircuitBreaker, CircuitPolicy, ClientCredentials, Idempotency, Pipeline,
    Stores, TokenGetter,
    auth::KeySet,
    circuit::CircuitState,
    error_chain,
    register::RecordName,
    token::{ClientSecret, Endpoint},
};

use crate::{
    app::{self, App, Once},
    stand_in::{AUDIENCE, IdentityProvider, Warehouse},
};

/// The key under which the token is stored by default.
const TOKEN_KEY: &str = "BEARER_TOKEN";

/// The function, and the parts of it that the summary shows.
pub(crate) struct Function {
    pub(crate) pipeline: Pipeline,
    token: TokenGetter,
    key: RecordName,
    circuits: [CircuitBreaker; 2],
    once: Once,
    stores: Stores,
}

impl Function {
    /// Sets up the function as it is deployed: from the environment.
    pub(crate) async fn from_env() -> Result<Self, Box<dyn Error + Send + Sync>> {
        let stores = Stores::from_env().await?;
        let credentials = ClientCredentials::from_env()?;
        let keys = KeySet::new(&variable("ORDERS_JWKS_URL")?)
            .issuer(variable("ORDERS_ISSUER")?)
            .audience(variable("ORDERS_AUDIENCE")?);
        let authenticator = Authenticator::new().keys(keys);
        Self::new(stores, credentials, TOKEN_KEY, &variable("ORDERS_WAREHOUSE_URL")?, authenticator)
    }

    fn new(
        stores: Stores,
        credentials: ClientCredentials,
        key: &str,
        warehouse: &str,
        authenticator: Authenticator,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let circuit = |name| {
            CircuitBreaker::new(name, CircuitPolicy::for_token_endpoint(), stores.circuits.clone())
        };
        let circuits = [circuit("identity-provider")?, circuit("warehouse")?];
        let [provider, reservations] = circuits.clone();
        let key: RecordName = key.parse()?;
        let token = TokenGetter::builder(credentials, stores.tokens.clone())
            .key(&key)
            .circuit(provider)
            .build()?;
        let warehouse =
            Api::new("warehouse", warehouse)?.token(token.clone()).circuit(reservations);
        let once = |scope| Idempotency::new(scope, stores.idempotency.clone());
        let once = Once { payments: once("payments")?, messages: once("messages")? };
        let pipeline = app::pipeline(App::new(warehouse), stores.clone(), authenticator, &once)?;
        Ok(Self { pipeline, token, key, circuits, once, stores })
    }

    /// The stores that do not answer, and why. Without them the function still runs, except for payments and
    /// messages, which must be repeated when their store is back.
    pub(crate) async fn silent_stores(&self) -> Vec<String> {
        let stores = &self.stores;
        let mut silent = Vec::new();
        if let Err(error) = stores.tokens.read(&self.key).await {
            silent
                .push(format!("the token is not shared, its store fails: {}", error_chain(&error)));
        }
        let [circuit, _] = &self.circuits;
        if let Err(error) = stores.circuits.circuit_state(circuit.name()).await {
            silent.push(format!(
                "circuits are not shared, their store fails: {}",
                error_chain(&error)
            ));
        }
        if let Err(error) = stores.idempotency.read(&self.key).await {
            silent.push(format!(
                "payments and messages are refused, their store fails: {}",
                error_chain(&error)
            ));
        }
        silent
    }

    /// The number of tokens that were requested.
    pub(crate) fn grants(&self) -> u64 {
        self.token.metrics().grants
    }

    /// How many payments and messages got the result of an earlier attempt.
    pub(crate) fn replayed(&self) -> u64 {
        self.once.payments.metrics().replayed + self.once.messages.metrics().replayed
    }

    /// The state of each circuit.
    pub(crate) async fn circuits(&self) -> Vec<(String, &'static str)> {
        let mut states = Vec::new();
        for circuit in &self.circuits {
            let state = match circuit.record().await.state {
                CircuitState::Closed => "closed",
                CircuitState::Open => "open",
                CircuitState::HalfOpen => "half_open",
            };
            states.push((circuit.name().to_string(), state));
        }
        states
    }
}

/// The function on this machine, with stand-ins for the services that it calls.
pub(crate) struct LocalSetUp {
    pub(crate) function: Function,
    /// Issues the tokens that the shipped events contain.
    pub(crate) callers: IdentityProvider,
    /// Notes for the report: what is real, and what is a stand-in.
    pub(crate) notes: Vec<String>,
}

impl LocalSetUp {
    /// Takes the store from the environment, and the fleet's token from `issuer` if there is one.
    pub(crate) async fn set_up(issuer: Option<&str>) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut notes = Vec::new();
        let stores = if any_is_set([
            "FUNCIFY_BACKEND",
            "FUNCIFY_TOKENS",
            "FUNCIFY_CIRCUITS",
            "FUNCIFY_IDEMPOTENCY",
        ]) {
            Stores::from_env().await?
        } else {
            notes.push("backend             memory: (FUNCIFY_BACKEND is not set; nothing is shared with other processes)".to_owned());
            Stores::from_url("memory:").await?
        };
        let callers = IdentityProvider::start().await?;
        notes.push(format!("callers' tokens     stand-in at {}", callers.issuer));
        let (credentials, key) = match issuer {
            Some(issuer) => (of_environment(issuer)?, TOKEN_KEY.to_owned()),
            // Each run has its own provider, so the tokens of different runs need different keys in the
            // store.
            None => (stand_in(&callers), callers.name()),
        };
        let kind = if issuer.is_some() { "" } else { "stand-in at " };
        notes.push(format!("the fleet's token   {kind}{}", issuer.unwrap_or(&callers.issuer)));
        let warehouse = Warehouse::start().await?;
        notes.push(format!("warehouse           stand-in at {}", warehouse.url));

        let keys = KeySet::new(&format!("{}/jwks", callers.issuer))
            .issuer(&callers.issuer)
            .audience(AUDIENCE);
        let authenticator = Authenticator::new().keys(keys);
        let function = Function::new(stores, credentials, &key, &warehouse.url, authenticator)?;
        Ok(Self { function, callers, notes })
    }
}

/// The credentials from the environment, with another issuer.
fn of_environment(issuer: &str) -> Result<ClientCredentials, Missing> {
    let issuer = Endpoint::Issuer(issuer.to_owned());
    let (id, secret) = match ["FUNCIFY_CLIENT_ID", "FUNCIFY_CLIENT_SECRET"].map(variable) {
        [Ok(id), Ok(secret)] => (id, secret),
        both => {
            let missing =
                both.into_iter().filter_map(|variable| variable.err().map(|error| error.0));
            return Err(Missing(missing.collect::<Vec<_>>().join(", ")));
        }
    };
    let mut credentials = ClientCredentials::new(issuer, id, ClientSecret::from(secret));
    credentials.scope = variable("FUNCIFY_SCOPE").ok();
    credentials.audience = variable("FUNCIFY_AUDIENCE").ok();
    Ok(credentials)
}

fn stand_in(provider: &IdentityProvider) -> ClientCredentials {
    let secret = ClientSecret::from("stand-in");
    ClientCredentials::new(Endpoint::Issuer(provider.issuer.clone()), "orders-function", secret)
}

fn any_is_set<const N: usize>(names: [&str; N]) -> bool {
    names.iter().any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
}

#[derive(Debug, thiserror::Error)]
#[error("expected a value for {0}")]
pub(crate) struct Missing(String);

fn variable(name: &'static str) -> Result<String, Missing> {
    env::var(name).ok().filter(|value| !value.is_empty()).ok_or_else(|| Missing(name.to_owned()))
}
