//! A timeline as an SVG image: four rows over one time axis. Coloured bands show the circuit's states.

use std::{fmt::Write, time::Duration};

use funcify_core::circuit::CircuitState;

use super::{ROWS, Row};
use crate::{Report, Timeline};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 96.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 64.0;
const ROW: f64 = 72.0;
const GAP: f64 = 20.0;

/// Draws the report's timeline as an SVG image: passed, failed and refused calls, and probes. Coloured bands
/// show when the circuit was open or half-open.
///
/// # Examples
///
/// ```
/// # use funcify_simulator::{Scenario, Settings, run, svg};
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
/// # let settings = Settings::new(1).with_instances(20);
/// let report = runtime.block_on(run(Scenario::Outage, &settings))?;
/// let image = svg(&report);
/// assert!(image.starts_with("<svg ") && image.contains("half-open"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn svg(report: &Report) -> String {
    let timeline = &report.timeline;
    let bottom = TOP + ROWS.len() as f64 * (ROW + GAP);
    let mut image = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {:.0}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"#343a40\">\n\
         <title>{name}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"16\">{name}: {} instances, seed {}</text>\n",
        bottom + 32.0,
        report.instances,
        report.seed,
        name = report.scenario,
    );
    states(&mut image, timeline, bottom);
    for (place, row) in ROWS.iter().enumerate() {
        bars(&mut image, timeline, TOP + place as f64 * (ROW + GAP), row);
    }
    axis(&mut image, timeline, bottom);
    image.push_str("</svg>\n");
    image
}

/// Bands across all rows while the circuit is not closed.
fn states(image: &mut String, timeline: &Timeline, bottom: f64) {
    let ends = timeline.states.iter().skip(1).map(|(at, _)| *at).chain([length(timeline)]);
    for ((from, state), until) in timeline.states.iter().zip(ends) {
        let fill = match state {
            CircuitState::Closed => continue,
            CircuitState::Open => "#ffe3e3",
            CircuitState::HalfOpen => "#d0ebff",
        };
        let (x, end) = (x(timeline, *from), x(timeline, until));
        // A half-open round of a few milliseconds must be visible.
        let width = (end - x).max(2.0);
        draw(
            image,
            format_args!(
                "<rect x=\"{x:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{:.0}\" fill=\"{fill}\"/>\n",
                bottom - TOP - GAP,
            ),
        );
    }
    if !timeline.states.is_empty() {
        draw(
            image,
            format_args!(
                "<rect x=\"{LEFT}\" y=\"36\" width=\"12\" height=\"12\" fill=\"#ffe3e3\"/>\
             <text x=\"{:.0}\" y=\"46\">open</text>\
             <rect x=\"{:.0}\" y=\"36\" width=\"12\" height=\"12\" fill=\"#d0ebff\"/>\
             <text x=\"{:.0}\" y=\"46\">half-open</text>\n",
                LEFT + 18.0,
                LEFT + 64.0,
                LEFT + 82.0,
            ),
        );
    }
}

/// One row, with its own scale.
fn bars(image: &mut String, timeline: &Timeline, top: f64, Row { name, colour, of }: &Row) {
    let most = timeline.slots.iter().map(of).max().unwrap_or_default();
    let base = top + ROW;
    let rate = f64::from(most) / timeline.width.as_secs_f64().max(1e-9);
    draw(
        image,
        format_args!(
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{name}</text>\
         <text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\" fill=\"#868e96\">{rate:.0}/s</text>\
         <line x1=\"{LEFT}\" y1=\"{base}\" x2=\"{:.0}\" y2=\"{base}\" stroke=\"#ced4da\"/>\n",
            LEFT - 8.0,
            base - 4.0,
            LEFT - 8.0,
            top + 10.0,
            WIDTH - RIGHT,
        ),
    );
    let wide = (WIDTH - LEFT - RIGHT) / timeline.slots.len().max(1) as f64;
    let mut path = String::new();
    for (place, slot) in timeline.slots.iter().enumerate() {
        let value = of(slot);
        if value > 0 {
            let height = (f64::from(value) / f64::from(most.max(1)) * ROW).max(1.5);
            let x = LEFT + place as f64 * wide;
            let wide = wide.max(1.0);
            draw(&mut path, format_args!("M{x:.1} {base}v-{height:.1}h{wide:.1}v{height:.1}z"));
        }
    }
    if !path.is_empty() {
        draw(image, format_args!("<path d=\"{path}\" fill=\"{colour}\"/>\n"));
    }
}

/// The time axis, in at most twelve steps.
fn axis(image: &mut String, timeline: &Timeline, bottom: f64) {
    let whole = length(timeline).as_secs_f64();
    let step = [1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0]
        .into_iter()
        .find(|step| whole / step <= 12.0)
        .unwrap_or(864_000.0);
    let mut at = 0.0;
    while at <= whole {
        let x = x(timeline, Duration::from_secs_f64(at));
        draw(
            image,
            format_args!(
                "<text x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{at:.0} s</text>\n",
                bottom + 8.0,
            ),
        );
        at += step;
    }
}

fn length(timeline: &Timeline) -> Duration {
    timeline.width * u32::try_from(timeline.slots.len()).unwrap_or(u32::MAX)
}

fn x(timeline: &Timeline, at: Duration) -> f64 {
    let part = at.as_secs_f64() / length(timeline).as_secs_f64().max(1e-9);
    LEFT + part.min(1.0) * (WIDTH - LEFT - RIGHT)
}

/// Appends to the image. Writing to a `String` does not fail.
fn draw(into: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = into.write_fmt(what);
}
