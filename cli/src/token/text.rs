//! A token as text and as JSON, without the token itself.

use comfy_table::Cell;
use funcify_core::{
    Timestamp,
    engine::hex,
    register::{RecordName, Versioned},
    token::TokenRecord,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{show, time};

pub(super) fn is_sealed(record: &TokenRecord) -> bool {
    record.token.as_ref().is_some_and(|token| token.expose().starts_with("sealed:"))
}

/// The first eight hexadecimal digits of the SHA-256 of the stored text. Two records with the same
/// fingerprint contain the same token.
fn fingerprint(record: &TokenRecord) -> Option<String> {
    let hash = Sha256::digest(record.token.as_ref()?.expose().as_bytes());
    Some(hex(&hash, 4))
}

fn state(found: &Versioned<TokenRecord>, now: Timestamp) -> &'static str {
    let record = &found.value;
    match &record.token {
        _ if found.corruption.is_some() => "corrupt",
        None if record.unshared_until.is_some_and(|until| until > now) => "not shared",
        None => "none",
        Some(_) if record.expires_at <= now => "expired",
        Some(_) if record.refresh_at <= now => "due",
        Some(_) => "valid",
    }
}

fn lease(record: &TokenRecord, now: Timestamp) -> String {
    match &record.lease {
        Some(lease) if lease.until > now => {
            let holder: String = lease.holder.to_string().chars().take(8).collect();
            format!("{holder} for {} more", time::span(lease.until.since(now)))
        }
        _ => "nobody".to_owned(),
    }
}

fn failure(record: &TokenRecord, now: Timestamp) -> String {
    record.failure.as_ref().map_or_else(
        || "none".to_owned(),
        |failure| {
            let until = if failure.until > now { "nobody asks again until" } else { "until" };
            let code: String = failure.code.chars().filter(|c| !c.is_control()).take(64).collect();
            format!("{code}, {} in a row, {until} {}", failure.count, time::absolute(failure.until))
        },
    )
}

pub(super) fn list(tokens: &[(RecordName, Versioned<TokenRecord>)], now: Timestamp) {
    if tokens.is_empty() {
        println!(
            "no token has a record: no instance has asked for one yet, or the prefix or path is another"
        );
        return;
    }
    let mut table =
        show::table(&["KEY", "STATE", "AGE", "DUE", "EXPIRES", "LEASE", "LAST FAILURE"]);
    for (key, found) in tokens {
        let record = &found.value;
        let failed = record.failure.as_ref().map_or("none", |failure| failure.code.as_str());
        table.add_row([
            Cell::new(key),
            Cell::new(state(found, now)),
            Cell::new(time::relative(record.minted_at, now)),
            Cell::new(time::relative(record.refresh_at, now)),
            Cell::new(time::relative(record.expires_at, now)),
            Cell::new(lease(record, now)),
            Cell::new(failed),
        ]);
    }
    show::print(&table);
}

pub(super) fn full(key: &RecordName, found: &Versioned<TokenRecord>, now: Timestamp) {
    let record = &found.value;
    let when = |time: Timestamp| match time {
        Timestamp::EPOCH => "never".to_owned(),
        time => format!("{} ({})", time::absolute(time), time::relative(time, now)),
    };
    let printable = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
    let mut pairs = vec![
        ("token", key.to_string()),
        ("state", state(found, now).to_owned()),
        ("fingerprint", fingerprint(record).unwrap_or_else(|| "none".to_owned())),
        ("sealed", if is_sealed(record) { "yes" } else { "no" }.to_owned()),
        ("scope", record.scope.as_deref().map_or_else(|| "not reported".to_owned(), printable)),
        ("minted", when(record.minted_at)),
        ("due", when(record.refresh_at)),
        ("expires", when(record.expires_at)),
        ("lease", lease(record, now)),
        ("last failure", failure(record, now)),
    ];
    if let Some(forced_at) = record.forced_at {
        pairs.push(("rejected by an API", when(forced_at)));
    }
    if let Some(corruption) = found.corruption {
        pairs.push((
            "note",
            format!("{corruption}; it counts as empty, and the next write replaces it"),
        ));
    }
    show::print(&show::pairs(&pairs));
}

pub(super) fn json(key: &RecordName, found: &Versioned<TokenRecord>, now: Timestamp) -> Value {
    let record = &found.value;
    let lease = record.lease.as_ref().filter(|lease| lease.until > now).map(
        |lease| json!({ "holder": lease.holder.to_string(), "until": time::json(lease.until) }),
    );
    let failure = record.failure.as_ref().map(|failure| {
        json!({ "code": failure.code, "count": failure.count, "until": time::json(failure.until) })
    });
    json!({
        "key": key.as_ref(),
        "state": state(found, now),
        "corruption": found.corruption.map(|corruption| corruption.to_string()),
        "fingerprint": fingerprint(record),
        "sealed": is_sealed(record),
        "scope": record.scope,
        "minted_at": time::json(record.minted_at),
        "refresh_at": time::json(record.refresh_at),
        "expires_at": time::json(record.expires_at),
        "forced_at": record.forced_at.map(time::json),
        "lease": lease,
        "failure": failure,
    })
}
