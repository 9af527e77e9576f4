use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

/// Prints one line: the step, when it ended, and its outcome.
pub(crate) fn print(step: &str, outcome: Value) {
    let mut line =
        Map::from_iter([("step".to_owned(), json!(step)), ("at".to_owned(), json!(now()))]);
    if let Value::Object(outcome) = outcome {
        line.extend(outcome);
    }
    println!("{}", Value::Object(line));
}

/// Milliseconds since the Unix epoch. Processes on one machine share this clock.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
