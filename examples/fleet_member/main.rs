//! One process of a fleet, for tests that start several processes on one store. The command line lists the
//! steps that it runs, and it prints one JSON object for each step. For a function to deploy, see the example
//! `orders`.
//!
//! ```sh
//! export FUNCIFY_BACKEND=redis://127.0.0.1
//! cargo run --example fleet_member -- NAME watch 10000 &
//! cargo run --example fleet_member -- NAME fail 3 call
//! ```
//!
//! `NAME` is the name of the circuit and the key of the token. The credentials come from `FUNCIFY_ISSUER`,
//! `FUNCIFY_CLIENT_ID` and `FUNCIFY_CLIENT_SECRET`. These variables are optional: `FLEET_MEMBER_RESOURCE` is
//! the resource of the token, `FUNCIFY_SEAL_KEYS` encrypts the stored token, `FLEET_MEMBER_KEY` is a file
//! with a P-256 key that authenticates the client, and `RUST_LOG` switches logging on.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command: what it prints is what it is for"
)]

mod member;
mod output;
mod serve;
mod step;

use std::{
    env,
    error::Error,
    process::ExitCode,
    time::{Duration, Instant},
};

use funcify::{Stores, error_chain};
use member::Member;
use output::print;
use serde_json::json;
use step::Step;
use tokio::time::sleep;

/// The longest time that tasks need to end after their client was dropped.
const SETTLED: Duration = Duration::from_millis(300);

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fleet_member: {}", error_chain(&*error));
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    #[cfg(feature = "lambda")]
    if env::var_os("RUST_LOG").is_some() {
        funcify::local::log();
    }
    let mut words = env::args().skip(1);
    let name = words.next().ok_or(step::USAGE)?;
    let steps = Step::parse_all(words)?;

    let began = Instant::now();
    let stores = Stores::from_env().await?;
    let took = began.elapsed();
    let member = Member::new(&name, stores)?;
    print("ready", json!({ "clients_us": u64::try_from(took.as_micros())? }));

    let mut member = Some(member);
    for step in steps {
        if let Step::Forget(lasting) = step {
            // Drops everything, and gives the runtime time to end the tasks that ran in the background.
            member = None;
            sleep(SETTLED).await;
            print(step.name(), json!({}));
            sleep(lasting).await;
        } else if let Some(member) = &member {
            print(step.name(), member.take(step).await?);
        }
    }
    Ok(())
}
