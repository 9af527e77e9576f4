//! The failures of the command and their exit codes.

use std::{io, process::ExitCode};

use funcify::{ConfigError, StoreError, StoreErrorKind, error_chain};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// The command was used wrongly.
    #[error("{0}")]
    Usage(String),
    #[error("the store cannot be used")]
    Config(#[from] ConfigError),
    #[error("{}", doing(.0))]
    Store(#[from] StoreError),
    #[error(
        "nothing was changed, because other writers kept changing the record: repeat the command"
    )]
    Busy,
    #[error("the output failed")]
    Io(#[from] io::Error),
}

impl Failed {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    /// Prints the error with its causes and what to do about it. Returns the exit code of the process.
    pub(crate) fn exit(self) -> ExitCode {
        if matches!(&self, Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            // The reader, such as `head`, has closed the pipe.
            return ExitCode::SUCCESS;
        }
        eprintln!("funcify: {}", error_chain(&self));
        if let Self::Store(error) = &self {
            eprintln!("{}", advice(error));
        }
        match self {
            Self::Usage(_) | Self::Config(_) | Self::Io(_) => ExitCode::from(2),
            Self::Store(_) | Self::Busy => ExitCode::from(3),
        }
    }
}

/// A failure with its causes, for a line on the screen.
pub(crate) fn described(failed: &Failed) -> String {
    match failed {
        Failed::Store(error) => error_chain(error),
        failed => error_chain(failed),
    }
}

fn doing(error: &StoreError) -> &'static str {
    match error.kind() {
        StoreErrorKind::Ambiguous => "it is not known whether the change was stored",
        _ => "the operation on the store failed",
    }
}

/// What to do about an error of the store.
fn advice(error: &StoreError) -> &'static str {
    match error.kind() {
        StoreErrorKind::Denied => {
            "Check the credentials. Listing needs more rights than a function has: see deploy/operator-*."
        }
        StoreErrorKind::Throttled => {
            "The store has too many requests. Wait some seconds and try again."
        }
        StoreErrorKind::Unavailable | StoreErrorKind::Timeout => {
            "Check host, port and network. If the store is far away, raise its option `timeout`."
        }
        StoreErrorKind::Ambiguous => "Look with `show`, and repeat the command if it is not there.",
        _ => "Check the name of the table, path or database, and its region.",
    }
}
