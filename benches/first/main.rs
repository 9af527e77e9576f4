//! How long a new process takes until it is ready, and until it has the first answer of its store over TLS.
//!
//! ```text
//! cargo bench -p funcify-benches --features aws --bench first [-- [--json] [--quick] [FILTER]]
//! ```
//!
//! It starts itself again as the process that is measured.

mod aws;
mod process;
mod proxy;
mod redis;
mod side;
mod start;

use std::{env, process::ExitCode};

use funcify_benches::{
    arguments::Asked,
    sampling::{median, shuffle},
};
use funcify_core::engine::Chance;
use serde::Serialize;

use crate::{
    side::{PROCESS, Store},
    start::Start,
};

/// The medians of one side of a store, as a script reads them.
#[derive(Serialize)]
struct Row {
    store: &'static str,
    side: &'static str,
    ready_ns: f64,
    answer_ns: f64,
}

fn main() -> ExitCode {
    if let Ok(measured) = env::var(PROCESS) {
        process::run(&measured);
        return ExitCode::SUCCESS;
    }
    let asked = match Asked::parse(env::args().skip(1)) {
        Ok(asked) => asked,
        Err(unknown) => {
            eprintln!("expected [--json] [--quick] [FILTER], got {unknown}");
            return ExitCode::from(2);
        }
    };
    let mut starts = Vec::new();
    for store in Store::ALL {
        match start::both_sides(store) {
            Ok(sides) => starts.extend(sides),
            Err(missing) => eprintln!("first: without {}: {missing}", store.name()),
        }
    }
    starts.retain(|start| start.store.name().contains(&asked.filter));
    for row in measured(&starts, if asked.quick { 2 } else { 200 }) {
        if asked.json {
            println!("{}", serde_json::to_string(&row).expect("expected a row to be JSON"));
        } else {
            let Row { store, side, ready_ns, answer_ns } = row;
            println!(
                "{store:<10} {side:<12} ready {:>7.2} ms, answer {:>7.2} ms",
                ready_ns / 1e6,
                answer_ns / 1e6
            );
        }
    }
    ExitCode::SUCCESS
}

/// Every side in each round, in another order each time. The first round only warms up.
fn measured(starts: &[Start], rounds: u32) -> Vec<Row> {
    let mut seen: Vec<(Vec<f64>, Vec<f64>)> = starts.iter().map(|_| Default::default()).collect();
    let chance = Chance::from_entropy();
    let mut order: Vec<usize> = (0..starts.len()).collect();
    for round in 0..=rounds {
        shuffle(&mut order, &chance);
        for &index in &order {
            let (ready, answer) = starts[index].measure();
            if round > 0 {
                seen[index].0.push(ready.as_secs_f64() * 1e9);
                seen[index].1.push(answer.as_secs_f64() * 1e9);
            }
        }
    }
    let rows = starts.iter().zip(&mut seen).map(|(start, (ready, answer))| Row {
        store: start.store.name(),
        side: start.side.name(),
        ready_ns: median(ready).round(),
        answer_ns: median(answer).round(),
    });
    rows.collect()
}
