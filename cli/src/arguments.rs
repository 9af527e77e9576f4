//! What the command accepts.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use funcify_core::register::RecordName;

/// Shows what the circuits, tokens and idempotency keys of a funcify fleet do, and steers them.
///
/// The stores are those of the functions: --backend, or the variables FUNCIFY_BACKEND, FUNCIFY_TOKENS,
/// FUNCIFY_CIRCUITS, FUNCIFY_IDEMPOTENCY and FUNCIFY_SEAL_KEYS.
///
/// Exit codes: 0 done; 1 the answer is bad; 2 wrong usage or configuration; 3 the store cannot be reached or
/// refuses.
#[derive(Debug, Parser)]
#[command(name = "funcify", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// The URL of the store: redis://…, dynamodb://TABLE, ssm:///path.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) backend: Option<String>,
    /// Print JSON, one document.
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
    /// Check whether the stores can be reached, by this identity, with which rights; exit with 1 if a
    /// function would not work.
    Doctor {
        /// Create the DynamoDB table unless it exists.
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
        /// Only circuits in this state.
        #[arg(long)]
        state: Option<State>,
    },
    /// Show one circuit in full, with its last eight changes of state.
    Show {
        /// The name of the circuit.
        name: RecordName,
        /// Exit with code 1 if calls are refused now.
        #[arg(long)]
        fail_if_open: bool,
    },
    /// Watch circuits live. Keys: arrows choose, o opens, d disables, c closes, q quits.
    Watch {
        /// Only these circuits. All that have a record unless given.
        names: Vec<RecordName>,
        /// How often to look: 500ms on Redis, 2s on DynamoDB, 5s on SSM unless given.
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
        every: Option<Duration>,
    },
    /// Refuse every call of the fleet for some time.
    Open(Overrides),
    /// Admit every call of the fleet for some time, and count nothing.
    Disable(Overrides),
    /// End an override, and close the circuit.
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
    /// For how long, such as 30m or 2h: a week at most.
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) duration: Duration,
    /// Why, for whoever looks at the circuit next: 64 bytes.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) author: Author,
}

#[derive(Debug, Args)]
pub(crate) struct Author {
    /// Who does it: 64 bytes. Your user@host unless given.
    #[arg(long, value_name = "WHO")]
    pub(crate) by: Option<String>,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// List the tokens that have a record.
    List,
    /// Show one token's times, lease and last failure, and a fingerprint of the token.
    Show {
        /// The key of the token.
        key: RecordName,
    },
    /// Let the fleet renew the token with its next request for it: one grant.
    Rotate {
        /// The key of the token.
        key: RecordName,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
    /// Empty the record. Instances that hold the token in memory keep it until it is due.
    Forget {
        /// The key of the token.
        key: RecordName,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum IdempotencyCommand {
    /// Show how far the work for a key is: state, age, attempts, expiry. The answer is shown only with --output.
    Show {
        #[command(flatten)]
        key: IdempotencyKey,
        /// Print the stored answer too. It may hold personal data or a secret.
        #[arg(long)]
        output: bool,
    },
    /// Forget a key: the next call with it does the work again.
    Forget {
        #[command(flatten)]
        key: IdempotencyKey,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct IdempotencyKey {
    /// The name of the record, as the logs show it. With --scope the key that the code uses: a text, or a JSON
    /// array for several parts or a number, such as '["tenant", 7]'.
    pub(crate) key: String,
    /// The scope in which the code uses the key.
    #[arg(long)]
    pub(crate) scope: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// Only this scenario; you may give several. All of them unless given.
    #[arg(long, value_name = "NAME")]
    pub(crate) scenario: Vec<String>,
    /// The number of instances.
    #[arg(long, value_name = "N")]
    pub(crate) instances: Option<std::num::NonZeroUsize>,
    /// The seed of all randomness. The same seed gives the same figures.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Your circuit policy, as .json or .toml.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Draw the timeline of the one scenario into this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    Closed,
    Open,
    HalfOpen,
    /// An override is in force.
    Overridden,
}
