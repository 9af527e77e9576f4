use funcify::{ConfigError, token::TokenError};
use funcify_core::{StoreError, circuit::CircuitConfigError};

/// Why a scenario did not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulatorError {
    /// The circuit policy is invalid.
    #[error("the circuit policy is invalid")]
    Policy(#[from] CircuitConfigError),
    /// The settings have a fleet without instances.
    #[error("expected at least one instance, got none")]
    NoInstances,
    /// The time of the tokio runtime is not paused: a simulated hour would take an hour. Build the runtime
    /// with `start_paused(true)`.
    #[error("expected a runtime with paused time, got one that runs in real time")]
    RealTime,
    /// The configuration of the token getters is invalid.
    #[error("the configuration of the token getters is invalid")]
    Getter(#[from] ConfigError),
    /// An instance got no token before the scenario began.
    #[error("an instance got no token before the scenario began")]
    Token(#[from] TokenError),
    /// The override of the simulated operator could not be written.
    #[error("what the operator did could not be written")]
    Operator(#[from] StoreError),
}
