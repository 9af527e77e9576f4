//! What happened: a table for people, or a line of JSON an event for scripts.

use std::{
    io::{self, Write},
    time::Duration,
};

use funcify::pipeline::Processed;
use serde_json::{Value, json};

use crate::set_up::Function;

pub(crate) struct Report {
    json: bool,
}

impl Report {
    /// Says what is real and what is not.
    pub(crate) fn begin(json: bool, notes: &[String]) -> io::Result<Self> {
        if json {
            // The standard output is for data.
            for line in notes.iter().filter(|note| note.starts_with("backend")) {
                eprintln!("orders: {line}");
            }
            return Ok(Self { json });
        }
        let mut out = io::stdout().lock();
        for line in notes {
            writeln!(out, "{line}")?;
        }
        writeln!(out)?;
        writeln!(
            out,
            "{:<38} {:<15} {:<22} {:<10} {:<6} response",
            "event", "kind", "route", "outcome", "status"
        )?;
        Ok(Self { json })
    }

    pub(crate) fn event(&self, file: &str, processed: &Processed) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let response = response(processed);
        let status = processed.status().map(|status| status.as_u16());
        if self.json {
            let line = json!({
                "file": file,
                "kind": processed.kind.as_str(),
                "route": processed.route,
                "outcome": processed.outcome.as_str(),
                "status": status,
                "response": response,
            });
            return writeln!(out, "{line}");
        }
        writeln!(
            out,
            "{:<38} {:<15} {:<22} {:<10} {:<6} {}",
            file,
            processed.kind.as_str(),
            processed.route.as_deref().unwrap_or("-"),
            processed.outcome.as_str(),
            status.map_or_else(|| "-".to_owned(), |status| status.to_string()),
            glance(processed, &response),
        )
    }

    pub(crate) async fn end(&self, function: &Function, took: Duration) -> io::Result<()> {
        let grants = function.grants();
        let circuits = function.circuits().await;
        let mut out = io::stdout().lock();
        if self.json {
            let circuits: serde_json::Map<_, _> =
                circuits.into_iter().map(|(name, state)| (name, Value::from(state))).collect();
            let ms = took.as_millis() as u64;
            let summary = json!({"grants": grants, "circuits": circuits, "ms": ms});
            return writeln!(out, "{}", json!({"summary": summary}));
        }
        writeln!(out)?;
        writeln!(out, "grants    {grants} for the calls to the warehouse")?;
        for (name, state) in circuits {
            writeln!(out, "circuit   {name}: {state}")?;
        }
        writeln!(out, "time      {} ms", took.as_millis())
    }
}

/// What Lambda is told.
fn response(processed: &Processed) -> Value {
    match &processed.result {
        Ok(answer) => serde_json::to_value(answer).unwrap_or_default(),
        Err(failure) => {
            json!({"errorType": failure.kind().as_str(), "errorMessage": failure.to_string()})
        }
    }
}

/// The same in half a line: an HTTP answer's body, else all of it.
fn glance(processed: &Processed, response: &Value) -> String {
    let http = processed.result.as_ref().ok().and_then(|answer| answer.http());
    let text = match http {
        Some(http) => String::from_utf8_lossy(http.body()).into_owned(),
        None => response.to_string(),
    };
    match text.char_indices().nth(72) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
