//! A report as a table: each figure beside its limit, and the timeline.

use std::io::{self, Write};

use funcify_simulator::{Figure, Limit, Report, Scenario, sparkline};

pub(crate) fn print(out: &mut impl Write, scenario: Scenario, report: &Report) -> io::Result<()> {
    let Report { instances, seed, .. } = report;
    writeln!(out, "{}: {}", scenario.name(), scenario.about())?;
    writeln!(out, "  {instances} instances, seed {seed}")?;
    for figure in &report.figures {
        let verdict = match (figure.limit, figure.is_within_limit()) {
            (None, _) => "",
            (Some(_), true) => "ok",
            (Some(_), false) => "MISSED",
        };
        writeln!(
            out,
            "  {:<36} {:>12}   {:<18} {verdict}",
            figure.name,
            number(figure.value),
            limit(figure)
        )?;
    }
    writeln!(out, "{}", sparkline(&report.timeline, 80))
}

pub(crate) fn verdict(missed: usize) -> String {
    match missed {
        0 => "every figure is within its limit".to_owned(),
        1 => "one figure misses its limit".to_owned(),
        _ => format!("{missed} figures miss their limits"),
    }
}

fn limit(figure: &Figure) -> String {
    match figure.limit {
        Some(Limit::AtMost(limit)) => format!("at most {}", number(limit)),
        Some(Limit::Exactly(limit)) => format!("exactly {}", number(limit)),
        _ => String::new(),
    }
}

fn number(value: f64) -> String {
    if value.is_infinite() {
        "never".to_owned()
    } else if value.fract() == 0.0 {
        format!("{value:.0}")
    } else if value.abs() < 0.1 {
        format!("{value:.4}")
    } else {
        format!("{value:.2}")
    }
}
