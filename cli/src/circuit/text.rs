//! A circuit as text and as JSON.

use comfy_table::Cell;
use funcify_core::{
    Timestamp,
    circuit::{Cause, CircuitRecord, CircuitState, Override, OverrideMode},
};
use serde_json::{Value, json};

use super::read::Circuit;
use crate::{show, time};

pub(crate) fn state(state: CircuitState) -> &'static str {
    match state {
        CircuitState::Closed => "closed",
        CircuitState::Open => "open",
        CircuitState::HalfOpen => "half-open",
    }
}

pub(crate) fn cause(cause: Option<Cause>) -> &'static str {
    match cause {
        None => "",
        Some(Cause::Failures) => "failures",
        Some(Cause::FailureRate) => "failure rate",
        Some(Cause::SlowCalls) => "slow calls",
        Some(Cause::ProbeFailed) => "probe failed",
        Some(Cause::Override) => "operator",
        Some(_) => "unknown",
    }
}

fn mode(mode: OverrideMode) -> &'static str {
    match mode {
        OverrideMode::ForceOpen => "forced open",
        OverrideMode::Disabled => "disabled",
    }
}

/// The calls and the failed calls that the rate rule has counted. Both are 0 under the count rule.
fn counted(record: &CircuitRecord) -> (u64, u64) {
    let sum = |count: fn(&funcify_core::engine::circuit::Bucket) -> u32| {
        record.buckets.iter().map(|bucket| u64::from(count(bucket))).sum::<u64>()
    };
    (sum(|bucket| bucket.calls), sum(|bucket| bucket.failures))
}

pub(crate) fn evidence(record: &CircuitRecord) -> String {
    match counted(record) {
        (0, _) if record.failures.is_empty() => "none".to_owned(),
        (0, _) => match record.failures.len() {
            1 => "1 failure".to_owned(),
            count => format!("{count} failures"),
        },
        (calls, failures) => {
            format!("{:.1} % of {calls} calls", percent(failures, calls))
        }
    }
}

/// How close the circuit is to opening, in percent: the share of failed calls, or of the 16 failures that a
/// record of the count rule can hold. 100 if the circuit refuses calls.
pub(crate) fn share(circuit: &Circuit, now: Timestamp) -> u8 {
    let record = &circuit.record;
    let share = match counted(record) {
        _ if circuit.refuses(now) => 100,
        (0, _) => record.failures.len().saturating_mul(100) / 16,
        (calls, failures) => usize::try_from(failures.saturating_mul(100) / calls).unwrap_or(100),
    };
    u8::try_from(share.min(100)).unwrap_or(100)
}

#[expect(clippy::cast_precision_loss, reason = "a share is shown with one digit")]
fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole as f64
}

pub(crate) fn next_probe(record: &CircuitRecord, now: Timestamp) -> String {
    let under_way = record.probes.iter().filter(|probe| probe.until > now).count();
    match record.state {
        CircuitState::Closed => String::new(),
        _ if under_way > 0 => format!("{under_way} under way"),
        CircuitState::Open if record.open_until > now => time::relative(record.open_until, now),
        _ => "with the next call".to_owned(),
    }
}

pub(crate) fn overridden(set: Option<&Override>, now: Timestamp) -> String {
    set.map_or_else(String::new, |set| {
        let reason = if set.reason.is_empty() {
            String::new()
        } else {
            format!(": {}", printable(&set.reason))
        };
        let left = time::span(set.until.since(now));
        format!("{} by {} for {left} more{reason}", mode(set.mode), printable(&set.by))
    })
}

/// Replaces control characters. Otherwise anybody who can write to the store could control the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

pub(crate) fn summary(circuit: &Circuit, now: Timestamp) -> String {
    let Circuit { record, .. } = circuit;
    match record.override_at(now) {
        Some(set) => format!("{}; {}", state(record.state), overridden(Some(set), now)),
        None => format!("{} since {}", state(record.state), time::absolute(record.changed_at)),
    }
}

pub(crate) fn list(circuits: &[Circuit], is_filtered: bool) {
    if circuits.is_empty() {
        println!(
            "{}",
            if is_filtered {
                "no circuit is in this state"
            } else {
                "no circuit has a record: nothing has failed yet, or the prefix or path is another"
            }
        );
        return;
    }
    let now = time::now();
    let header = ["NAME", "STATE", "SINCE", "CAUSE", "EVIDENCE", "NEXT PROBE", "OVERRIDE"];
    let mut table = show::table(&header);
    for circuit in circuits {
        let Circuit { name, record, corruption, .. } = circuit;
        let state = if corruption.is_some() { "corrupt" } else { state(record.state) };
        table.add_row([
            Cell::new(name),
            show::state(state),
            Cell::new(time::relative(record.changed_at, now)),
            Cell::new(cause(record.cause)),
            Cell::new(evidence(record)),
            Cell::new(next_probe(record, now)),
            Cell::new(overridden(record.override_at(now), now)),
        ]);
    }
    println!("{table}");
}

pub(crate) fn full(circuit: &Circuit, now: Timestamp) {
    let Circuit { name, record, is_stored, corruption } = circuit;
    let changed = format!(
        "{} ({})",
        time::absolute(record.changed_at),
        time::relative(record.changed_at, now)
    );
    let or_none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
    let mut pairs = vec![
        ("circuit", name.to_string()),
        ("state", state(record.state).to_owned()),
        (
            "since",
            if record.changed_at == Timestamp::EPOCH {
                "the beginning".to_owned()
            } else {
                changed
            },
        ),
        ("cause", or_none(cause(record.cause).to_owned())),
        ("evidence", evidence(record)),
        ("next probe", or_none(next_probe(record, now))),
        ("opened in a row", record.consecutive_opens.to_string()),
        ("epoch", record.epoch.to_string()),
        ("override", or_none(overridden(record.override_at(now), now))),
    ];
    if !is_stored {
        pairs.push((
            "note",
            "there is no record: it has never failed, or the name is misspelt".to_owned(),
        ));
    }
    if let Some(corruption) = corruption {
        pairs.push((
            "note",
            format!("{corruption}; it counts as empty, and the next write replaces it"),
        ));
    }
    if let (Some(set), None) = (&record.overridden, record.override_at(now)) {
        let over = format!(
            "{} by {}, over since {}",
            mode(set.mode),
            printable(&set.by),
            time::absolute(set.until)
        );
        pairs.push(("last override", over));
    }
    println!("{}", show::pairs(&pairs));
    if record.history.is_empty() {
        return;
    }
    println!();
    let mut table = show::table(&["WHEN", "FROM", "TO", "CAUSE", "INSTANCE"]);
    let from = std::iter::once("").chain(record.history.iter().map(|change| state(change.to)));
    for (change, from) in record.history.iter().zip(from).collect::<Vec<_>>().into_iter().rev() {
        table.add_row([
            Cell::new(time::absolute(change.at)),
            Cell::new(from),
            show::state(state(change.to)),
            Cell::new(cause(change.cause)),
            Cell::new(change.instance),
        ]);
    }
    println!("{table}");
}

pub(crate) fn json(circuit: &Circuit, now: Timestamp) -> Value {
    let Circuit { name, record, is_stored, corruption } = circuit;
    let (calls, failures) = counted(record);
    let set = record.overridden.as_ref().map(|set| {
        json!({
            "mode": set.mode, "until": time::json(set.until), "by": set.by, "reason": set.reason,
            "in_force": set.until > now,
        })
    });
    let history = record.history.iter().map(|change| {
        json!({
            "at": time::json(change.at), "to": change.to, "cause": change.cause,
            "instance": change.instance.as_str(),
        })
    });
    let probes = record.probes.iter().filter(|probe| probe.until > now);
    json!({
        "name": name.as_ref(),
        "stored": is_stored,
        "corruption": corruption.map(|corruption| corruption.to_string()),
        "state": record.state,
        "refuses": circuit.refuses(now),
        "since": time::json(record.changed_at),
        "cause": record.cause,
        "epoch": record.epoch,
        "open_until": time::json(record.open_until),
        "consecutive_opens": record.consecutive_opens,
        "failures": record.failures.len(),
        "calls": calls,
        "failed_calls": failures,
        "probes_under_way": probes.map(|probe| json!({ "until": time::json(probe.until) })).collect::<Vec<_>>(),
        "override": set,
        "history": history.collect::<Vec<_>>(),
    })
}
