//! A report for people: each figure beside its bar, and what happened over time.

use std::io::{self, Write};

use funcify_simulator::{Bar, Figure, Report, Scenario, sparkline};

pub(crate) fn print(out: &mut impl Write, scenario: Scenario, report: &Report) -> io::Result<()> {
    let Report { instances, seed, .. } = report;
    writeln!(out, "{}: {}", scenario.name(), scenario.about())?;
    writeln!(out, "  {instances} instances, seed {seed}")?;
    for figure in &report.figures {
        let verdict = match (figure.bar, figure.is_within_bar()) {
            (None, _) => "",
            (Some(_), true) => "ok",
            (Some(_), false) => "MISSED",
        };
        writeln!(
            out,
            "  {:<36} {:>12}   {:<18} {verdict}",
            figure.name,
            number(figure.value),
            bar(figure)
        )?;
    }
    writeln!(out, "{}", sparkline(&report.timeline, 80))
}

pub(crate) fn verdict(missed: usize) -> String {
    match missed {
        0 => "every figure is within its bar".to_owned(),
        1 => "one figure misses its bar".to_owned(),
        _ => format!("{missed} figures miss their bars"),
    }
}

fn bar(figure: &Figure) -> String {
    match figure.bar {
        Some(Bar::AtMost(bar)) => format!("at most {}", number(bar)),
        Some(Bar::Exactly(bar)) => format!("exactly {}", number(bar)),
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
