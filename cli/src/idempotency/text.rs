//! A key as text and as JSON. The answer is shown only if the user asks for it.

use std::time::Duration;

use funcify_core::{
    Timestamp,
    engine::KeyStatus,
    idempotency::IdempotencyRecord,
    register::{RecordName, Versioned},
};
use serde_json::{Value, json};

use crate::{show, time};

pub(super) fn is_sealed(answer: &str) -> bool {
    answer.starts_with("sealed:")
}

/// The state of the key for a call that comes now.
pub(super) fn state(found: &Versioned<IdempotencyRecord>, now: Timestamp) -> &'static str {
    let record = &found.value;
    if found.corruption.is_some() {
        return "corrupt";
    }
    match record.status {
        KeyStatus::InProgress if record.stands(Duration::ZERO, now) => "in progress",
        KeyStatus::InProgress => "abandoned",
        KeyStatus::Completed if record.is_done(now) => "completed",
        KeyStatus::Completed => "expired",
        KeyStatus::Released => "free",
    }
}

/// What the next call does.
fn next_call(state: &str) -> &'static str {
    match state {
        "in progress" => "waits for the answer",
        "completed" => "gets the answer",
        "abandoned" => "does the work: whoever began it died, or ran out of time",
        _ => "does the work",
    }
}

pub(super) fn full(
    name: &RecordName,
    found: &Versioned<IdempotencyRecord>,
    answer: Option<&Value>,
    now: Timestamp,
) {
    let record = &found.value;
    let state = state(found, now);
    let when = |time: Timestamp| match time {
        Timestamp::EPOCH => "never".to_owned(),
        time => format!("{} ({})", time::absolute(time), time::relative(time, now)),
    };
    let end = match state {
        "in progress" => "claim ends",
        "abandoned" | "free" => "claim ended",
        _ => "answer expires",
    };
    let stored = match &record.answer {
        None => "none".to_owned(),
        Some(answer) => {
            format!("{} bytes{}", answer.len(), if is_sealed(answer) { ", sealed" } else { "" })
        }
    };
    let mut pairs = vec![
        ("key", name.to_string()),
        ("state", state.to_owned()),
        ("the next call", next_call(state).to_owned()),
        ("attempts", record.attempt.to_string()),
        ("began", when(record.since)),
        (end, when(record.until)),
        ("fence", record.fence.to_string()),
        ("answer", stored),
    ];
    if let Some(corruption) = found.corruption {
        pairs.push((
            "note",
            format!("{corruption}; it counts as empty, and the next write replaces it"),
        ));
    }
    show::print(&show::pairs(&pairs));
    if let Some(answer) = answer {
        println!("\n{answer:#}");
    }
}

pub(super) fn json(
    name: &RecordName,
    found: &Versioned<IdempotencyRecord>,
    answer: Option<Value>,
    now: Timestamp,
) -> Value {
    let record = &found.value;
    let mut json = json!({
        "name": name.as_ref(),
        "state": state(found, now),
        "corruption": found.corruption.map(|corruption| corruption.to_string()),
        "attempts": record.attempt,
        "since": time::json(record.since),
        "until": time::json(record.until),
        "fence": record.fence,
        "answer_bytes": record.answer.as_ref().map(String::len),
        "sealed": record.answer.as_deref().is_some_and(is_sealed),
    });
    if let (Some(answer), Some(members)) = (answer, json.as_object_mut()) {
        members.insert("answer".to_owned(), answer);
    }
    json
}
