//! Commands from standard input, one a line, for a driver that makes many processes do the same at one moment.
//!
//! | command | what it does |
//! |---|---|
//! | `circuit NAME FAILURES SECONDS SUCCESSES` | a new breaker: what opens it, for how long, and what closes it |
//! | `call AT ok MS`, `call AT fail MS` | a call that takes so long and then succeeds or fails |
//! | `token AT` | the fleet's token |
//! | `hold AT MS EVERY` | the token again and again for so long |
//!
//! `AT` is a moment in Unix milliseconds. A command whose moment is over begins at once.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use funcify::{
    CircuitBreaker, CircuitPolicy, Stores, TokenGetter,
    circuit::{CircuitError, CountRule},
    error_chain,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, stdin},
    time::sleep,
};

use crate::output::print;

/// In which the failures must come to open a circuit.
const WINDOW: Duration = Duration::from_secs(60);

/// Takes commands until standard input ends. Only the commands of the token need `getter`.
pub(crate) async fn serve(
    stores: &Stores,
    getter: Result<TokenGetter, Box<dyn Error>>,
) -> Result<Value, Box<dyn Error>> {
    let mut lines = BufReader::new(stdin()).lines();
    let getter = getter.map_err(|error| error_chain(&*error));
    let (mut circuit, mut commands) = (None, 0_u32);
    while let Some(line) = lines.next_line().await? {
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match words.as_slice() {
            ["circuit", name, failures, open, successes] => {
                let policy = policy(failures.parse()?, open.parse()?, successes.parse()?);
                circuit = Some(breaker(name, policy, stores)?);
                json!({})
            }
            ["call", at, outcome @ ("ok" | "fail"), lasting] => {
                let circuit = circuit.as_ref().ok_or("no circuit yet")?;
                wait_until(at).await?;
                call(circuit, *outcome == "ok", milliseconds(lasting)?).await
            }
            ["token", at] => {
                let getter = getter.as_ref().map_err(String::as_str)?;
                wait_until(at).await?;
                json!({ "served": getter.token().await.is_ok() })
            }
            ["hold", at, lasting, every] => {
                let getter = getter.as_ref().map_err(String::as_str)?;
                wait_until(at).await?;
                hold(getter, milliseconds(lasting)?, milliseconds(every)?).await
            }
            _ => return Err(format!("unknown command {line:?}").into()),
        };
        print(words.first().copied().unwrap_or_default(), answer);
        commands += 1;
    }
    Ok(json!({ "commands": commands }))
}

fn policy(failures: u32, open: u64, successes: u32) -> CircuitPolicy {
    let mut policy = CircuitPolicy::new(CountRule::new(failures, WINDOW));
    policy.open_duration = Duration::from_secs(open);
    policy.successes = successes;
    policy
}

fn breaker(
    name: &str,
    policy: CircuitPolicy,
    stores: &Stores,
) -> Result<CircuitBreaker, Box<dyn Error>> {
    Ok(CircuitBreaker::new(name, policy, Arc::clone(&stores.circuits))?)
}

/// A line when the dependency is reached, so that the driver can stop the process in the middle of a call.
async fn call(circuit: &CircuitBreaker, succeeds: bool, lasting: Duration) -> Value {
    let mut reached = false;
    let outcome = circuit
        .call(async || {
            reached = true;
            print("reached", json!({}));
            sleep(lasting).await;
            if succeeds { Ok(()) } else { Err("broken") }
        })
        .await;
    let refused = matches!(outcome, Err(CircuitError::Open(_)));
    json!({ "reached": reached, "refused": refused })
}

async fn hold(getter: &TokenGetter, lasting: Duration, every: Duration) -> Value {
    let (began, mut not_served) = (Instant::now(), 0_u32);
    while began.elapsed() < lasting {
        not_served += u32::from(getter.token().await.is_err());
        sleep(every).await;
    }
    json!({ "not_served": not_served })
}

fn milliseconds(word: &str) -> Result<Duration, Box<dyn Error>> {
    Ok(Duration::from_millis(word.parse()?))
}

async fn wait_until(at: &str) -> Result<(), Box<dyn Error>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    sleep(milliseconds(at)?.saturating_sub(now)).await;
    Ok(())
}
