//! `funcify simulate`: the fleet on virtual time.

use std::{fs, path::Path, process::ExitCode, time::Duration};

use comfy_table::Cell;
use funcify::CircuitPolicy;
use funcify_simulator::{Limit, Report, Scenario, Settings, run as simulated, sparkline, svg};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{arguments::Simulate, error::Failed, show};

pub(crate) fn run(given: &Simulate, json: bool) -> Result<ExitCode, Failed> {
    let mut settings = Settings::new(given.seed);
    if let Some(instances) = given.instances {
        settings = settings.with_instances(instances.get());
    }
    if let Some(file) = &given.policy {
        settings = settings.with_policy(policy(file)?);
    }
    let scenarios = match given.scenario.as_slice() {
        [] => Scenario::ALL.to_vec(),
        names => names.iter().map(|name| scenario(name)).collect::<Result<_, _>>()?,
    };
    if given.svg.is_some() && scenarios.len() != 1 {
        return Err(Failed::usage("--svg draws one scenario: name it with --scenario"));
    }
    let mut is_within_limits = true;
    for scenario in scenarios {
        let report = on_virtual_time(scenario, &settings)?;
        is_within_limits &= report.is_within_limits();
        if json {
            println!("{}", report.json());
        } else {
            print(scenario, &report);
        }
        if let Some(file) = &given.svg {
            fs::write(file, svg(&report))?;
        }
    }
    Ok(ExitCode::from(u8::from(!is_within_limits)))
}

fn on_virtual_time(scenario: Scenario, settings: &Settings) -> Result<Report, Failed> {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    let shown = bar.clone();
    let settings = settings.clone().with_progress(move |scenario, time: Duration| {
        shown.set_message(format!("{scenario}: {:.1} h simulated", time.as_secs_f64() / 3_600.0));
        shown.tick();
    });
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let report = runtime.block_on(simulated(scenario, &settings));
    bar.finish_and_clear();
    report.map_err(|error| Failed::usage(funcify::error_chain(&error)))
}

fn scenario(name: &str) -> Result<Scenario, Failed> {
    Scenario::named(name).ok_or_else(|| {
        let names: Vec<_> = Scenario::ALL.iter().map(|scenario| scenario.name()).collect();
        Failed::usage(format!(
            "there is no scenario `{name}`: expected one of {}",
            names.join(", ")
        ))
    })
}

fn policy(file: &Path) -> Result<CircuitPolicy, Failed> {
    let refused = |why: String| Failed::usage(format!("the policy in {}: {why}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| refused(error.to_string()))?;
    let policy: CircuitPolicy = match file.extension().and_then(|extension| extension.to_str()) {
        Some("json") => serde_json::from_str(&text).map_err(|error| refused(error.to_string()))?,
        Some("toml") => toml::from_str(&text).map_err(|error| refused(error.to_string()))?,
        _ => return Err(refused("expected a file named *.json or *.toml".to_owned())),
    };
    policy.check().map_err(|faults| refused(faults.to_string()))?;
    Ok(policy)
}

fn print(scenario: Scenario, report: &Report) {
    println!("{}: {}", scenario.name(), scenario.about());
    println!("{} instances, seed {}", report.instances, report.seed);
    let mut table = show::table(&["FIGURE", "VALUE", "LIMIT", ""]);
    for figure in &report.figures {
        let limit = match figure.limit {
            Some(Limit::AtMost(limit)) => format!("at most {limit}"),
            Some(Limit::Exactly(limit)) => format!("exactly {limit}"),
            _ => String::new(),
        };
        let verdict = match (figure.limit, figure.is_within_limit()) {
            (None, _) => "",
            (Some(_), true) => "ok",
            (Some(_), false) => "MISSED",
        };
        let value = format!("{:.4}", figure.value);
        let value = value.trim_end_matches('0').trim_end_matches('.').to_owned();
        table.add_row([
            Cell::new(figure.name),
            Cell::new(value),
            Cell::new(limit),
            Cell::new(verdict),
        ]);
    }
    println!("{table}\n{}", sparkline(&report.timeline, 80));
}
