//! Parses the command line.

use std::time::Duration;

pub(crate) const USAGE: &str = "fleet_member NAME [fail N | call | watch MS | token | hold MS | once MS | block MS | block-and-fail MS | read | write N | serve | forget MS]…";

/// A command for a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// This number of calls, each of which fails.
    Fail(u32),
    /// One call, which succeeds if the circuit admits it.
    Call,
    /// Such calls until one is refused, for at most this time.
    Watch(Duration),
    /// Gets the fleet's token.
    Token,
    /// Reads the record of the circuit.
    Read,
    /// This number of writes of a record that no other process writes, with a line of output for each.
    Write(u32),
    /// Gets the token again and again for this time, and counts the failures.
    Hold(Duration),
    /// Work that takes this time and has one effect, whichever process does it. Its key is the name of the
    /// member.
    Once(Duration),
    /// The same as `Once`, but the work blocks its thread, and fails at its end if `fails` is set.
    Block { lasting: Duration, fails: bool },
    /// Commands from standard input until it ends, see [`serve`](crate::serve).
    Serve,
    /// Drops everything, then does nothing for this time. It must be the last step.
    Forget(Duration),
}

impl Step {
    pub(crate) fn parse_all(mut words: impl Iterator<Item = String>) -> Result<Vec<Self>, String> {
        let mut steps = Vec::new();
        while let Some(word) = words.next() {
            let mut number = || {
                let number = words.next().and_then(|word| word.parse::<u32>().ok());
                number.ok_or_else(|| format!("{word} needs a number; {USAGE}"))
            };
            steps.push(match word.as_str() {
                "fail" => Self::Fail(number()?),
                "call" => Self::Call,
                "watch" => Self::Watch(Duration::from_millis(number()?.into())),
                "token" => Self::Token,
                "read" => Self::Read,
                "serve" => Self::Serve,
                "write" => Self::Write(number()?),
                "forget" => Self::Forget(Duration::from_millis(number()?.into())),
                "once" => Self::Once(Duration::from_millis(number()?.into())),
                "block" | "block-and-fail" => {
                    let lasting = Duration::from_millis(number()?.into());
                    Self::Block { lasting, fails: word == "block-and-fail" }
                }
                "hold" => Self::Hold(Duration::from_millis(number()?.into())),
                _ => return Err(format!("unknown step {word:?}; {USAGE}")),
            });
        }
        Ok(steps)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fail(_) => "fail",
            Self::Call => "call",
            Self::Watch(_) => "watch",
            Self::Token => "token",
            Self::Read => "read",
            Self::Write(_) => "write",
            Self::Hold(_) => "hold",
            Self::Serve => "serve",
            Self::Once(_) | Self::Block { .. } => "once",
            Self::Forget(_) => "forget",
        }
    }
}
