//! Asks for confirmation before a change, and finds out who makes it.

use std::io::{self, IsTerminal, Write};

use crate::error::Failed;

/// Prints what will happen and asks for confirmation. Fails without a terminal, because nobody can answer.
pub(crate) fn confirm(what_happens: &str, yes: bool) -> Result<(), Failed> {
    eprintln!("{what_happens}");
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failed::usage("there is no terminal to confirm on: add --yes"));
    }
    eprint!("Go on? [y/N] ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Failed::usage("nothing was changed"))
}

/// The author of a change: the given one, or `user@host`.
pub(crate) fn author(given: Option<String>) -> String {
    given.unwrap_or_else(|| {
        let host = whoami::fallible::hostname().unwrap_or_else(|_| "unknown-host".to_owned());
        format!("{}@{host}", whoami::username())
    })
}
