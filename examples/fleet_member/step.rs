//! The command line.

use std::time::Duration;

pub(crate) const USAGE: &str = "fleet_member NAME [fail N | call | watch MS | token | hold MS | once MS | block MS | block-and-fail MS | read | write N | serve | forget MS]…";

/// A command for a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many calls, each of which fails.
    Fail(u32),
    /// One call that succeeds if it is admitted.
    Call,
    /// Such calls for so long at most, until one is refused.
    Watch(Duration),
    /// The fleet's token.
    Token,
    /// A look at the circuit's record.
    Read,
    /// So many writes of a record that nobody else writes; a line for each that is done.
    Write(u32),
    /// The same again and again for so long.
    Hold(Duration),
    /// Work that takes so long and has one effect, whoever does it. Its key is the name of the member.
    Once(Duration),
    /// The same, where the work blocks its thread, and fails in the end if it is to.
    Block { lasting: Duration, fails: bool },
    /// Commands from standard input until it ends, see [`serve`](crate::serve).
    Serve,
    /// Drops everything, and does nothing for so long. It must be the last step.
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
