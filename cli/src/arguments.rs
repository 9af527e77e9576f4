//! The arguments of the command. The doc comments here are the texts of `--help` and of the manual page.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use funcify_core::register::RecordName;

/// Shows and changes the circuits, tokens and idempotency keys of a funcify fleet.
///
/// Name the stores of the fleet as its functions do: in the variables FUNCIFY_BACKEND, FUNCIFY_TOKENS,
/// FUNCIFY_CIRCUITS, FUNCIFY_IDEMPOTENCY and FUNCIFY_SEAL_KEYS. Or give one store with --backend.
///
/// Exit codes: 0 success; 1 the check failed (doctor, simulate, --fail-if-open); 2 wrong usage or
/// configuration; 3 the store cannot be reached or refuses the request.
#[derive(Debug, Parser)]
#[command(name = "funcify", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// The URL of the store: redis://…, dynamodb://TABLE, ssm:///path.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) backend: Option<String>,
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Circuits: list, show, open, disable, close.
    Circuit {
        #[command(subcommand)]
        command: CircuitCommand,
    },
    /// Tokens: list, show, rotate, forget. The token itself is never shown.
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Idempotency keys: show, forget.
    Idempotency {
        #[command(subcommand)]
        command: IdempotencyCommand,
    },
    /// Check whether a function would work with the stores: connection, rights and clock. Exit with code 1
    /// if it would not.
    Doctor {
        /// Create the DynamoDB table if it does not exist.
        #[arg(long)]
        create: bool,
    },
    /// Simulate a fleet on virtual time, with your own circuit policy.
    Simulate(Simulate),
    /// Print the completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page.
    Man,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CircuitCommand {
    /// List the circuits that have a record.
    List {
        /// List only circuits in this state.
        #[arg(long)]
        state: Option<State>,
    },
    /// Show everything about one circuit, with its last eight changes of state.
    Show {
        /// The name of the circuit.
        name: RecordName,
        /// Exit with code 1 if the circuit refuses calls now.
        #[arg(long)]
        fail_if_open: bool,
    },
    /// Watch circuits live. Keys: arrows choose, o opens, d disables, c closes, q quits.
    Watch {
        /// The circuits to watch. Default: all that have a record.
        names: Vec<RecordName>,
        /// How often to read the store. Default: 500ms on Redis, 2s on DynamoDB, 5s on SSM.
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
        every: Option<Duration>,
    },
    /// Make the circuit refuse every call of the fleet for some time.
    Open(Overrides),
    /// Make the circuit admit every call of the fleet for some time, and count no failures.
    Disable(Overrides),
    /// End an override and close the circuit.
    Close {
        /// The name of the circuit.
        name: RecordName,
        #[command(flatten)]
        author: Author,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Overrides {
    /// The name of the circuit.
    pub(crate) name: RecordName,
    /// How long the override lasts, such as 30m or 2h: from 1s to 7d.
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) duration: Duration,
    /// Why you override the circuit, for the next person who looks at it: at most 64 bytes.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) author: Author,
}

#[derive(Debug, Args)]
pub(crate) struct Author {
    /// Who makes the change: at most 64 bytes. Default: your user@host.
    #[arg(long, value_name = "WHO")]
    pub(crate) by: Option<String>,
    /// Do not ask for confirmation.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// List the tokens that have a record.
    List,
    /// Show the times, the lease, the last failure and a fingerprint of one token.
    Show {
        /// The key of the token.
        key: RecordName,
    },
    /// Make the token due: the next instance that reads its record renews it, with one grant.
    Rotate {
        /// The key of the token.
        key: RecordName,
        /// Do not ask for confirmation.
        #[arg(long, short)]
        yes: bool,
    },
    /// Empty the record of the token. Instances that have the token in memory use it until it is due.
    Forget {
        /// The key of the token.
        key: RecordName,
        /// Do not ask for confirmation.
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum IdempotencyCommand {
    /// Show the state of the work for a key: age, attempts, expiry. The answer is shown only with --output.
    Show {
        #[command(flatten)]
        key: IdempotencyKey,
        /// Print the stored answer too. It may contain personal data or a secret.
        #[arg(long)]
        output: bool,
    },
    /// Forget a key, so that the next call with it does the work again.
    Forget {
        #[command(flatten)]
        key: IdempotencyKey,
        /// Do not ask for confirmation.
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct IdempotencyKey {
    /// The name of the record, as in the logs. With --scope, the key as in your code: a text, or a JSON
    /// array if the key is a number or has several parts, such as '["tenant", 7]'.
    pub(crate) key: String,
    /// The scope of the key in your code.
    #[arg(long)]
    pub(crate) scope: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// The scenario to run. Repeat the option for several scenarios. Default: all.
    #[arg(long, value_name = "NAME")]
    pub(crate) scenario: Vec<String>,
    /// The number of instances. Default: that of each scenario, for which its limits are set.
    #[arg(long, value_name = "N")]
    pub(crate) instances: Option<std::num::NonZeroUsize>,
    /// The seed of all randomness. The same seed gives the same figures.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// A file with your circuit policy, named *.json or *.toml. Default: that of each scenario.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Draw the timeline into this file. Needs exactly one --scenario.
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    Closed,
    /// Open, or forced open by an operator.
    Open,
    HalfOpen,
    /// An override is in force.
    Overridden,
}
