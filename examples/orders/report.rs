//! Prints the results of the events: a table for people, or lines of JSON for scripts.

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
    /// Prints what is real and what is a stand-in.
    pub(crate) fn start(json: bool, notes: &[String]) -> io::Result<Self> {
        if json {
            // The standard output has only data, for scripts.
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
        let status = processed.status.map(|status| status.as_u16());
        if self.json {
            let line = json!({
                "file": file,
                "kind": processed.kind.to_string(),
                "route": processed.route,
                "outcome": processed.outcome.to_string(),
                "status": status,
                "response": response,
            });
            return writeln!(out, "{line}");
        }
        writeln!(
            out,
            "{:<38} {:<15} {:<22} {:<10} {:<6} {}",
            file,
            processed.kind,
            processed.route.as_deref().unwrap_or("-"),
            processed.outcome,
            status.map_or_else(|| "-".to_owned(), |status| status.to_string()),
            start_of(processed, &response),
        )
    }

    pub(crate) async fn finish(&self, function: &Function, time: Duration) -> io::Result<()> {
        let (grants, replayed) = (function.grants(), function.replayed());
        let circuits = function.circuits().await;
        let mut out = io::stdout().lock();
        if self.json {
            let circuits: serde_json::Map<_, _> =
                circuits.into_iter().map(|(name, state)| (name, Value::from(state))).collect();
            let ms = time.as_millis() as u64;
            let summary =
                json!({"grants": grants, "circuits": circuits, "replayed": replayed, "ms": ms});
            return writeln!(out, "{}", json!({"summary": summary}));
        }
        writeln!(out)?;
        writeln!(out, "grants    {grants} for the calls to the warehouse")?;
        for (name, state) in circuits {
            writeln!(out, "circuit   {name}: {state}")?;
        }
        writeln!(out, "replayed  {replayed} payments and messages that came again")?;
        writeln!(out, "time      {} ms", time.as_millis())
    }
}

/// What Lambda would get.
fn response(processed: &Processed) -> Value {
    match &processed.result {
        Ok(output) => serde_json::to_value(output).unwrap_or_default(),
        Err(error) => {
            json!({"errorType": error.kind.to_string(), "errorMessage": error.message})
        }
    }
}

/// The start of the response: of the body if it is an HTTP response, otherwise of the whole output.
fn start_of(processed: &Processed, response: &Value) -> String {
    let http = processed.result.as_ref().ok().and_then(|output| output.http());
    let text = match http {
        Some(http) => String::from_utf8_lossy(http.body()).into_owned(),
        None => response.to_string(),
    };
    match text.char_indices().nth(72) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
