//! `funcify doctor`: checks whether a function would work with these stores, and says what to do if not.

mod advice;

use std::{process::ExitCode, sync::Arc, time::Duration};

use comfy_table::{Cell, Color};
use funcify::{Operated, OperatedStore, error_chain};
use funcify_core::{
    StoreErrorKind, Timestamp,
    circuit::CircuitStateProvider,
    engine::{Needs, Trial},
};
use serde_json::json;

use crate::{error::Failed, output::Output, show, stores, time};

/// One check and its result.
struct Check {
    store: &'static str,
    check: String,
    verdict: Verdict,
    /// What went wrong.
    found: String,
    /// What to do about it.
    to_do: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    /// The check failed, but a function works without what it tried.
    Warning,
    Failed,
}

/// A difference of clocks that is reported. Processes whose clocks differ by more than 1 s do not believe
/// each other's times. The second one allows for the time that the answer takes.
const CLOCKS_DIFFER: Duration = Duration::from_secs(2);

pub(crate) async fn run(
    backend: Option<&str>,
    create: bool,
    output: Output,
) -> Result<ExitCode, Failed> {
    let opened = stores::open(backend).await?;
    let examined = examined(&opened);
    let mut checks = Vec::new();
    for (what, store) in examined {
        stores::shared(store)?;
        if create && !store.diagnosed.create().await? {
            eprintln!("{}: there is nothing to create", store.backend);
        }
        examine(what, store, &mut checks).await;
    }
    let is_bad = checks.iter().any(|check| check.verdict == Verdict::Failed);
    if output.json {
        let checks = checks.iter().map(|check| {
            json!({
                "store": check.store, "check": check.check, "verdict": check.verdict.text(),
                "found": check.found, "to_do": check.to_do,
            })
        });
        println!("{}", json!({ "works": !is_bad, "checks": checks.collect::<Vec<_>>() }));
    } else {
        print(&checks, is_bad);
    }
    Ok(ExitCode::from(u8::from(is_bad)))
}

/// Each store once, with the kinds of records that it contains.
fn examined(opened: &Operated) -> Vec<(&'static str, &OperatedStore)> {
    let Operated { tokens, circuits, idempotency, .. } = opened;
    let same =
        |one: &OperatedStore, other: &OperatedStore| Arc::ptr_eq(&one.diagnosed, &other.diagnosed);
    // Some stores do not support idempotency. A function gets that as an error when it uses them for it.
    let all_in_one =
        if CircuitStateProvider::poll_policy(&circuits.register).no_idempotency.is_some() {
            "tokens and circuits"
        } else {
            "all"
        };
    match (same(tokens, circuits), same(circuits, idempotency)) {
        (true, true) => vec![(all_in_one, circuits)],
        (true, false) => vec![("tokens and circuits", circuits), ("idempotency", idempotency)],
        (false, true) if all_in_one == "all" => {
            vec![("tokens", tokens), ("circuits and idempotency", circuits)]
        }
        (false, true) => vec![("tokens", tokens), ("circuits", circuits)],
        (false, false) => {
            vec![("tokens", tokens), ("circuits", circuits), ("idempotency", idempotency)]
        }
    }
}

async fn examine(what: &'static str, store: &OperatedStore, checks: &mut Vec<Check>) {
    for trial in store.diagnosed.trials().await {
        checks.push(check(what, store.backend, &trial));
    }
    let asked = time::now();
    if let Some(server) = store.diagnosed.server_time().await {
        checks.push(clock(what, asked, server, time::now()));
    }
}

fn check(what: &'static str, backend: &'static str, trial: &Trial) -> Check {
    let right = trial.right.to_owned();
    let Err(error) = &trial.result else {
        return Check {
            store: what,
            check: right,
            verdict: Verdict::Ok,
            found: String::new(),
            to_do: String::new(),
        };
    };
    let is_warning = trial.needs == Needs::Operator && error.kind() != StoreErrorKind::Unavailable;
    Check {
        store: what,
        check: right,
        verdict: if is_warning { Verdict::Warning } else { Verdict::Failed },
        found: error_chain(error),
        to_do: advice::of(backend, trial.right, error),
    }
}

/// Compares the clocks. The server read its clock between the two times of this machine, so only a time
/// outside of them is wrong.
fn clock(what: &'static str, asked: Timestamp, server: Timestamp, answered: Timestamp) -> Check {
    let behind = server.since(answered);
    let ahead = asked.since(server);
    let differs = behind.max(ahead);
    let (verdict, found, to_do) = if differs <= CLOCKS_DIFFER {
        (Verdict::Ok, String::new(), String::new())
    } else {
        let side = if ahead > behind { "ahead of" } else { "behind" };
        (
            Verdict::Failed,
            format!("the clock of this machine is {} {side} the server's", time::span(differs)),
            "Set the clock of this machine (NTP). Times that a wrong clock stores are not believed by the \
             rest of the fleet."
                .to_owned(),
        )
    };
    Check { store: what, check: "clock".to_owned(), verdict, found, to_do }
}

impl Verdict {
    fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }

    fn cell(self) -> Cell {
        let colour = match self {
            Self::Ok => Color::Green,
            Self::Warning => Color::Yellow,
            Self::Failed => Color::Red,
        };
        Cell::new(self.text()).fg(colour)
    }
}

fn print(checks: &[Check], is_bad: bool) {
    let mut table = show::table(&["STORE", "CHECK", "VERDICT"]);
    for check in checks {
        table.add_row([Cell::new(check.store), Cell::new(&check.check), check.verdict.cell()]);
    }
    show::print(&table);
    for check in checks.iter().filter(|check| check.verdict != Verdict::Ok) {
        println!("\n{} {}: {}", check.check, check.verdict.text(), check.found);
        println!("  {}", check.to_do);
    }
    println!(
        "\n{}",
        if is_bad { "A function would not work with this." } else { "A function works with this." }
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_minutes_off_is_told_by_how_much_and_one_that_waits_for_the_answer_is_not() {
        let at = |seconds: i64| Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000);
        for (asked, server, answered, expected) in [
            (0, 0, 0, ""),
            (0, 5, 10, ""),
            (0, -2, 0, ""),
            (0, -300, 0, "5m ahead of the server's"),
            (0, 300, 0, "5m behind the server's"),
        ] {
            let check = clock("circuits", at(asked), at(server), at(answered));
            assert_eq!(check.verdict == Verdict::Ok, expected.is_empty());
            assert!(check.found.ends_with(expected), "{}", check.found);
        }
    }
}
