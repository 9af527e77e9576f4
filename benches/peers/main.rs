//! Ours beside its peers, in one run: what an operation costs in time and allocations.
//!
//! ```text
//! cargo bench --bench peers [-- [--json] [--quick] [FILTER]]
//! ```

mod circuit;
mod measure;
mod pipeline;
mod redis;
mod report;
mod token;

use std::process::ExitCode;

use funcify_benches::{arguments::Asked, case::Bench, redis_server::Server};

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
    let mut cases = circuit::cases(&bench);
    cases.extend(token::cases(&bench));
    cases.extend(pipeline::cases(&bench));
    match &server {
        Ok(server) => cases.extend(redis::cases(&bench, server.url())),
        Err(missing) => eprintln!("peers: without redis: {missing}"),
    }
    cases.retain(|case| case.name.contains(&asked.filter));

    let rows = measure::rows(&mut cases, if asked.quick { measure::QUICK } else { measure::WHOLE });
    if asked.json {
        report::json(&rows)
    } else {
        report::table(&rows)
    }
    ExitCode::SUCCESS
}
