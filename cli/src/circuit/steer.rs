//! Overrides a circuit and closes it.

use std::{process::ExitCode, time::Duration};

use funcify::OperatedStore;
use funcify_core::{
    circuit::{CircuitRecord, CircuitState, Override, OverrideMode},
    engine::circuit::{Instance, close as closed, set_override},
    register::RecordName,
};
use serde_json::json;

use super::{read, text};
use crate::{
    arguments::{Author, Overrides},
    ask,
    error::Failed,
    output::Output,
    swap, time,
};

/// The longest override: 7 days. If somebody forgets an override, the circuit must not stay forced for ever.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// For a name that may be misspelt.
const NO_RECORD: &str =
    "\nThere is no record of this circuit yet: it has never failed, or the name is misspelt.";

pub(super) async fn overrides(
    store: &OperatedStore,
    given: Overrides,
    mode: OverrideMode,
    output: Output,
) -> Result<ExitCode, Failed> {
    if given.duration < Duration::from_secs(1) || given.duration > LONGEST {
        return Err(Failed::usage(
            "--for must be from one second to seven days, such as --for 30m",
        ));
    }
    if given.reason.trim().is_empty() || given.reason.len() > 64 {
        return Err(Failed::usage(
            "--reason must have 1 to 64 bytes: what the next person needs to know",
        ));
    }
    let by = ask::author(given.author.by);
    if by.len() > 64 {
        return Err(Failed::usage("--by must have 64 bytes at most"));
    }
    let name = &given.name;
    let before = read::one(store, name).await?;
    let whom = match mode {
        OverrideMode::ForceOpen => "refused: nobody reaches the dependency behind it",
        OverrideMode::Disabled => "admitted, however many fail: the circuit protects nobody",
    };
    let known = if before.is_stored { "" } else { NO_RECORD };
    ask::confirm(
        &format!(
            "`{name}` is {}. For {} every call of the fleet through it will be {whom}.\nThe instances see it \
             within 5 seconds, or within their policy's snapshot_ttl if that is longer.{known}",
            text::cells(&before, time::now()).state,
            time::span(given.duration),
        ),
        given.author.yes,
    )?;
    swap::change(&store.register, name, |record: CircuitRecord| {
        let until = time::now() + given.duration;
        let set = Override::new(mode, until, by.clone()).because(given.reason.clone());
        Some(set_override(&record, set))
    })
    .await?;
    done(store, name, output).await
}

pub(super) async fn close(
    store: &OperatedStore,
    name: &RecordName,
    author: Author,
    output: Output,
) -> Result<ExitCode, Failed> {
    let before = read::one(store, name).await?;
    let is_closed = before.record.state == CircuitState::Closed;
    if is_closed && before.record.overridden.is_none() {
        let known = if before.is_stored { "" } else { NO_RECORD };
        let nothing = format!("`{name}` is closed and has no override: nothing was changed{known}");
        say(output, name, &nothing);
        return Ok(ExitCode::SUCCESS);
    }
    ask::confirm(
        &format!(
            "`{name}` is {}. Once it is closed, it admits every call of the fleet again, within 5 seconds or the policy's \
             snapshot_ttl. It opens again by its rule if the dependency still fails.",
            text::cells(&before, time::now()).state
        ),
        author.yes,
    )?;
    let by = ask::author(author.by);
    let tag = tag(&by);
    swap::change(&store.register, name, |record: CircuitRecord| closed(&record, tag, time::now()))
        .await?;
    done(store, name, output).await
}

/// A change that the user makes in the live view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Steered {
    Override(RecordName, OverrideMode),
    Close(RecordName),
}

/// How long an override from the live view lasts. The command takes any duration.
const LIVE: Duration = Duration::from_secs(30 * 60);

impl Steered {
    pub(crate) fn question(&self) -> String {
        match self {
            Self::Override(name, OverrideMode::ForceOpen) => {
                format!("Refuse every call of the fleet through `{name}` for 30 minutes?")
            }
            Self::Override(name, OverrideMode::Disabled) => {
                format!(
                    "Admit every call of the fleet through `{name}` for 30 minutes, and count nothing?"
                )
            }
            Self::Close(name) => format!("End the override of `{name}` and close it?"),
        }
    }

    pub(crate) fn doing(&self) -> String {
        format!("writing `{}` …", self.name())
    }

    pub(crate) fn done(&self) -> String {
        format!("`{}` is written; the fleet follows within 5 seconds", self.name())
    }

    fn name(&self) -> &RecordName {
        match self {
            Self::Override(name, _) | Self::Close(name) => name,
        }
    }
}

pub(crate) async fn live(store: &OperatedStore, steered: &Steered) -> Result<(), Failed> {
    let by = ask::author(None);
    match steered {
        Steered::Override(name, mode) => {
            swap::change(&store.register, name, |record: CircuitRecord| {
                let set = Override::new(*mode, time::now() + LIVE, by.clone());
                Some(set_override(&record, set.because("from funcify circuit watch")))
            })
            .await?
        }
        Steered::Close(name) => {
            let tag = tag(&by);
            swap::change(&store.register, name, |record: CircuitRecord| {
                closed(&record, tag, time::now())
            })
            .await?
        }
    };
    Ok(())
}

/// The tag of the author in the record. A tag has at most eight characters, so it is the user without the
/// host.
fn tag(by: &str) -> Instance {
    Instance::new(by.split('@').next().unwrap_or_default())
}

async fn done(
    store: &OperatedStore,
    name: &RecordName,
    output: Output,
) -> Result<ExitCode, Failed> {
    let (circuit, now) = (read::one(store, name).await?, time::now());
    if output.json {
        println!("{}", text::json(&circuit, now));
    } else {
        println!("{name}: {}", text::summary(&circuit, now));
    }
    Ok(ExitCode::SUCCESS)
}

fn say(output: Output, name: &RecordName, message: &str) {
    if output.json {
        println!("{}", json!({ "name": name.as_ref(), "changed": false }));
    } else {
        println!("{message}");
    }
}
