//! The command-line arguments.

use std::{path::PathBuf, str::FromStr};

use funcify::{CircuitPolicy, circuit::CircuitConfigError};
use funcify_simulator::{Scenario, Settings};

/// The help text, with the names of all scenarios.
pub(crate) fn usage() -> String {
    let mut usage = "\
fleet [--scenario NAME]… [--instances N] [--seed S] [--policy FILE] [--json] [--svg FILE]

Simulates a fleet while something happens to it, and prints the figures beside their limits.

  --scenario NAME  only this scenario; you may give several
  --instances N    number of instances; the limits were set for the default of each scenario
  --seed S         the seed of all randomness, 1 by default; the same seed gives the same figures
  --policy FILE    the circuit policy, as .json or .toml
  --unshared       a store for each instance, for comparison with a shared one
  --long           days instead of minutes, a thousand trials instead of a hundred
  --hours H        simulated hours of the long-running scenarios
  --json           no table: one JSON object a line for each scenario
  --svg FILE       a picture of the timeline; needs exactly one --scenario

"
    .to_owned();
    for scenario in Scenario::ALL {
        usage.push_str(&format!("  {:<22} {}\n", scenario.name(), scenario.about()));
    }
    usage
}

#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) help: bool,
    pub(crate) json: bool,
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) svg: Option<PathBuf>,
    instances: Option<usize>,
    seed: Option<u64>,
    policy: Option<PathBuf>,
    hours: Option<f64>,
    unshared: bool,
    long: bool,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgumentError {
    #[error("unknown option {0}; see --help")]
    Unknown(String),
    #[error("{option} needs {expected}, got {got}")]
    Value { option: &'static str, expected: &'static str, got: String },
    #[error("there is no scenario `{0}`; see --help")]
    Scenario(String),
    #[error("--svg draws one scenario; name it with --scenario")]
    OnePicture,
    #[error("the policy in {} cannot be read", .0.display())]
    Policy(PathBuf, #[source] Box<dyn std::error::Error>),
    #[error("the policy in {} is invalid", file.display())]
    Faults {
        file: PathBuf,
        #[source]
        faults: CircuitConfigError,
    },
    #[error("expected a policy file named *.json or *.toml, got {}", .0.display())]
    Format(PathBuf),
}

impl Arguments {
    pub(crate) fn parse(given: impl Iterator<Item = String>) -> Result<Self, ArgumentError> {
        let mut arguments = Self::default();
        let mut given = given;
        while let Some(argument) = given.next() {
            match argument.as_str() {
                "--help" | "-h" => arguments.help = true,
                "--json" => arguments.json = true,
                "--unshared" => arguments.unshared = true,
                "--long" => arguments.long = true,
                "--scenario" => {
                    let name: String = value("--scenario", "a name", given.next())?;
                    let scenario = Scenario::named(&name).ok_or(ArgumentError::Scenario(name))?;
                    arguments.scenarios.push(scenario);
                }
                "--instances" => {
                    let count: std::num::NonZeroUsize =
                        value("--instances", "a number from 1 on", given.next())?;
                    arguments.instances = Some(count.get());
                }
                "--seed" => arguments.seed = Some(value("--seed", "a number", given.next())?),
                "--hours" => {
                    let hours: u32 = value("--hours", "a whole number", given.next())?;
                    arguments.hours = Some(f64::from(hours));
                }
                "--policy" => arguments.policy = Some(value("--policy", "a file", given.next())?),
                "--svg" => arguments.svg = Some(value("--svg", "a file", given.next())?),
                _ => return Err(ArgumentError::Unknown(argument)),
            }
        }
        if arguments.svg.is_some() && arguments.scenarios.len() != 1 {
            return Err(ArgumentError::OnePicture);
        }
        if arguments.scenarios.is_empty() {
            arguments.scenarios = Scenario::ALL.to_vec();
        }
        Ok(arguments)
    }

    /// The settings of every run. Reads the policy file.
    pub(crate) fn settings(&self) -> Result<Settings, ArgumentError> {
        let mut settings = Settings::new(self.seed.unwrap_or(1));
        settings.instances = self.instances;
        settings.hours = self.hours;
        settings.unshared = self.unshared;
        settings.long = self.long;
        settings.policy = self.policy.clone().map(policy).transpose()?;
        Ok(settings)
    }
}

fn value<T: FromStr>(
    option: &'static str,
    expected: &'static str,
    given: Option<String>,
) -> Result<T, ArgumentError> {
    let Some(got) = given else {
        return Err(ArgumentError::Value { option, expected, got: "nothing".to_owned() });
    };
    got.parse().map_err(|_| ArgumentError::Value { option, expected, got })
}

fn policy(file: PathBuf) -> Result<CircuitPolicy, ArgumentError> {
    let unreadable = |error: Box<dyn std::error::Error>| ArgumentError::Policy(file.clone(), error);
    let text = std::fs::read_to_string(&file).map_err(|error| unreadable(error.into()))?;
    let policy: CircuitPolicy = match file.extension().and_then(|extension| extension.to_str()) {
        Some("json") => serde_json::from_str(&text).map_err(|error| unreadable(error.into()))?,
        Some("toml") => toml::from_str(&text).map_err(|error| unreadable(error.into()))?,
        _ => return Err(ArgumentError::Format(file)),
    };
    match policy.check() {
        Ok(()) => Ok(policy),
        Err(faults) => Err(ArgumentError::Faults { file, faults }),
    }
}
