//! How the cost of an operation grows with its input, and what a second thread adds.
//!
//! ```text
//! cargo bench --bench growth [-- [--json] [--quick] [FILTER]]
//! ```

mod curves;
mod point;
mod stores;
mod threads;

use std::{process::ExitCode, time::Duration};

use funcify_benches::{
    arguments::Asked,
    case::Bench,
    redis_server::Server,
    sampling::{calibrated, shuffle, taken},
};
use funcify_core::engine::Chance;
use point::Point;
use serde::Serialize;

/// A measured point, as a script reads it.
#[derive(Serialize)]
struct Row {
    curve: &'static str,
    side: &'static str,
    size: u64,
    ns: f64,
}

fn main() -> ExitCode {
    let asked = match Asked::parse(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(unknown) => {
            eprintln!("expected [--json] [--quick] [FILTER], got {unknown}");
            return ExitCode::from(2);
        }
    };
    let bench = Bench::default();
    let server = Server::start();
    let mut points = curves::points(&bench);
    match &server {
        Ok(server) => points.extend(stores::points(&bench, server.url())),
        Err(missing) => eprintln!("growth: without redis: {missing}"),
    }
    points.retain(|point| point.curve.contains(&asked.filter));
    let mut rows = measured(&mut points, if asked.quick { 2 } else { 40 });
    if threads::CURVE.contains(&asked.filter) {
        for (threads, ns) in threads::measured(if asked.quick { 1 } else { 10 }) {
            rows.push(Row { curve: threads::CURVE, side: "funcify", size: threads, ns });
        }
    }
    for row in rows {
        if asked.json {
            println!("{}", serde_json::to_string(&row).expect("expected a row to be JSON"));
        } else {
            println!("{:<36} {:<14} {:>9} {:>14.1} ns", row.curve, row.side, row.size, row.ns);
        }
    }
    ExitCode::SUCCESS
}

/// How long a sample takes at least.
const SAMPLE: Duration = Duration::from_micros(200);

/// Every point in each round, in another order each time.
fn measured(points: &mut [Point], rounds: u32) -> Vec<Row> {
    let operations: Vec<u32> =
        points.iter_mut().map(|point| calibrated(&mut point.subject, SAMPLE)).collect();
    let mut seen: Vec<Vec<f64>> = points.iter().map(|_| Vec::new()).collect();
    let chance = Chance::from_entropy();
    let mut order: Vec<usize> = (0..points.len()).collect();
    for round in 0..rounds {
        if round.is_multiple_of(rounds.div_ceil(4)) {
            eprintln!("growth: round {round} of {rounds}");
        }
        shuffle(&mut order, &chance);
        for &index in &order {
            for _ in 0..5 {
                let sample = taken(&mut points[index].subject, operations[index]);
                let ns = sample.elapsed.as_secs_f64() * 1e9 / f64::from(sample.operations);
                seen[index].push(ns / points[index].parts as f64);
            }
        }
    }
    let figure = |point: &Point, samples: &mut Vec<f64>| {
        samples.sort_by(f64::total_cmp);
        samples[if point.is_median { samples.len() / 2 } else { 0 }]
    };
    let rows = points.iter().zip(&mut seen).map(|(point, samples)| {
        let ns = (figure(point, samples) * 10.0).round() / 10.0;
        Row { curve: point.curve, side: point.side, size: point.size, ns }
    });
    rows.collect()
}
