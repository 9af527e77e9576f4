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

fn cause(cause: Option<Cause>) -> &'static str {
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

/// What a line about a circuit says, in a list and in the live view. An override counts before the state,
/// because it decides what happens to calls. The record does not have the time at which it was set.
pub(crate) struct Cells {
    pub(crate) state: &'static str,
    pub(crate) since: String,
    pub(crate) cause: &'static str,
    pub(crate) evidence: String,
    pub(crate) next_probe: String,
    pub(crate) overridden: String,
}

pub(crate) fn cells(circuit: &Circuit, now: Timestamp) -> Cells {
    let record = &circuit.record;
    let set = record.override_at(now);
    Cells {
        state: match set {
            _ if circuit.corruption.is_some() => "corrupt",
            Some(set) => mode(set.mode),
            None => state(record.state),
        },
        since: match record.changed_at {
            _ if set.is_some() => String::new(),
            Timestamp::EPOCH => ALWAYS.to_owned(),
            changed_at => time::relative(changed_at, now),
        },
        cause: why(record, now),
        evidence: evidence(record),
        next_probe: next_probe(record, now),
        overridden: overridden(set, now),
    }
}

/// Since when a circuit is closed that has never changed.
const ALWAYS: &str = "always";

/// Why calls are refused.
fn why(record: &CircuitRecord, now: Timestamp) -> &'static str {
    match record.override_at(now).map(|set| set.mode) {
        Some(OverrideMode::ForceOpen) => cause(Some(Cause::Override)),
        Some(OverrideMode::Disabled) => "",
        None => cause(record.cause),
    }
}

/// What happens to a call that comes now.
fn calls(record: &CircuitRecord, now: Timestamp) -> &'static str {
    match (record.override_at(now).map(|set| set.mode), record.state) {
        (Some(OverrideMode::ForceOpen), _) => "refused, by the override",
        (Some(OverrideMode::Disabled), _) => "admitted, by the override; no failure counts",
        (None, CircuitState::Closed) => "admitted",
        (None, CircuitState::Open) => "refused, until probes succeed",
        (None, CircuitState::HalfOpen) => "refused, except for probes",
    }
}

/// The calls and the failed calls that the rate rule has counted. Both are 0 under the count rule.
fn counted(record: &CircuitRecord) -> (u64, u64) {
    let sum = |count: fn(&funcify_core::engine::circuit::Bucket) -> u32| {
        record.buckets.iter().map(|bucket| u64::from(count(bucket))).sum::<u64>()
    };
    (sum(|bucket| bucket.calls), sum(|bucket| bucket.failures))
}

/// What the rule counts now. It counts while the circuit is closed. While it is half-open, probes count.
fn evidence(record: &CircuitRecord) -> String {
    match counted(record) {
        _ if record.state == CircuitState::Open => String::new(),
        _ if record.state == CircuitState::HalfOpen => match record.round_successes {
            0 => String::new(),
            1 => "1 probe succeeded".to_owned(),
            count => format!("{count} probes succeeded"),
        },
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

/// When the fleet tries the service again. Under an override it does not.
fn next_probe(record: &CircuitRecord, now: Timestamp) -> String {
    let under_way = record.probes.iter().filter(|probe| probe.until > now).count();
    match record.state {
        _ if record.override_at(now).is_some() => String::new(),
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
        let cells = cells(circuit, now);
        table.add_row([
            Cell::new(&circuit.name),
            show::state(cells.state),
            Cell::new(cells.since),
            Cell::new(cells.cause),
            Cell::new(cells.evidence),
            Cell::new(cells.next_probe),
            Cell::new(cells.overridden),
        ]);
    }
    show::print(&table);
}

pub(crate) fn full(circuit: &Circuit, now: Timestamp) {
    let Circuit { name, record, is_stored, corruption } = circuit;
    let since = match record.changed_at {
        Timestamp::EPOCH => ALWAYS.to_owned(),
        at => format!("{} ({})", time::absolute(at), time::relative(at, now)),
    };
    let state_and_override = match record.override_at(now) {
        Some(set) => format!("{}, but {} by an operator", state(record.state), mode(set.mode)),
        None => state(record.state).to_owned(),
    };
    let or_none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
    let evidence_in_full = match record.state {
        CircuitState::Open => "not counted while it is open".to_owned(),
        _ => or_none(evidence(record)),
    };
    let mut pairs = vec![
        ("circuit", name.to_string()),
        ("calls", calls(record, now).to_owned()),
        ("affected", "each function that uses this circuit with this store and prefix".to_owned()),
        ("state", state_and_override),
        ("since", since),
        ("cause", or_none(why(record, now).to_owned())),
        ("evidence", evidence_in_full),
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
    show::print(&show::pairs(&pairs));
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
    show::print(&table);
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::arguments::State;

    #[test]
    fn a_line_says_what_happens_to_calls_and_an_override_counts_before_the_state() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let (closed, open, half) =
            (CircuitState::Closed, CircuitState::Open, CircuitState::HalfOpen);
        let (forced, disabled) = (Some(OverrideMode::ForceOpen), Some(OverrideMode::Disabled));
        for (state, mode, expected, told, is_in) in [
            (closed, None, ["closed", "always", "", "none", ""], "admitted", State::Closed),
            (
                open,
                None,
                ["open", "11s ago", "failures", "", "in 45s"],
                "refused, until probes succeed",
                State::Open,
            ),
            (
                half,
                None,
                ["half-open", "11s ago", "failures", "1 probe succeeded", "with the next call"],
                "refused, except for probes",
                State::HalfOpen,
            ),
            (
                closed,
                forced,
                ["forced open", "", "operator", "none", ""],
                "refused, by the override",
                State::Open,
            ),
            (
                open,
                disabled,
                ["disabled", "", "", "", ""],
                "admitted, by the override; no failure counts",
                State::Overridden,
            ),
        ] {
            let mut record = CircuitRecord::default();
            record.state = state;
            if state != closed {
                record.changed_at = now - Duration::from_secs(11);
                record.open_until = now + Duration::from_secs(45);
                (record.cause, record.round_successes) = (Some(Cause::Failures), 1);
            }
            record.overridden =
                mode.map(|mode| Override::new(mode, now + Duration::from_secs(60), "ann"));
            assert_eq!(calls(&record, now), told);
            let name = "warehouse".parse().unwrap();
            let circuit = Circuit { name, record, is_stored: true, corruption: None };
            let cells = cells(&circuit, now);
            let line = [cells.state, &cells.since, cells.cause, &cells.evidence, &cells.next_probe];
            assert_eq!(line, expected);
            assert_eq!(cells.overridden.is_empty(), mode.is_none());
            for state in [State::Closed, State::Open, State::HalfOpen] {
                assert_eq!(circuit.is_in(state, now), state == is_in, "{state:?} {expected:?}");
            }
            assert_eq!(circuit.is_in(State::Overridden, now), mode.is_some());
        }
    }
}
