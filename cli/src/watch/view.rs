//! Draws the screen.

use funcify_core::Timestamp;
use ratatui::{
    Frame,
    layout::{Constraint, Layout},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Cell, Paragraph, Row, Table, TableState},
};

use super::{
    bars::bars,
    model::{Model, SHARES},
};
use crate::{
    circuit::{read::Circuit, text},
    show, time,
};

pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, now: Timestamp) {
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(2), Constraint::Min(1), Constraint::Length(2)])
            .areas(frame.area());
    frame.render_widget(Paragraph::new(status(model, now)), head);
    if model.circuits.is_empty() && model.seen_at.is_some() {
        frame.render_widget(Paragraph::new("no circuit has a record yet"), body);
    } else {
        let mut state = TableState::new().with_selected(Some(model.chosen));
        frame.render_stateful_widget(table(model, body.width, now), body, &mut state);
    }
    frame.render_widget(Paragraph::new(question(model, now)), foot);
}

fn status(model: &Model, now: Timestamp) -> Line<'static> {
    match (&model.down, model.seen_at) {
        (Some((since, error)), seen_at) => {
            let last = seen_at.map_or_else(
                || "nothing was seen yet".to_owned(),
                |at| format!("below is what was seen {}", time::relative(at, now)),
            );
            let text = format!(
                "{} is DOWN for {}; {last}: {error}",
                model.backend,
                time::span(now.since(*since))
            );
            Line::from(Span::styled(text, coloured(Color::Red).add_modifier(Modifier::BOLD)))
        }
        (None, Some(_)) => {
            let count = model.circuits.len();
            let circuits = if count == 1 { "circuit" } else { "circuits" };
            Line::from(format!("{}: {count} {circuits}", model.backend))
        }
        (None, None) => Line::from(format!("{}: connecting", model.backend)),
    }
}

const TITLES: [&str; 8] =
    ["CIRCUIT", "STATE", "SINCE", "CAUSE", "EVIDENCE", "RATE", "NEXT PROBE", "OVERRIDE"];
/// The spaces between two columns.
const GAP: u16 = 2;

/// What is enough to recognise an override: who set it. The foot has all of it.
const ENOUGH_OF_OVERRIDE: u16 = 24;
const SHORTEST_RATE: u16 = 8;

fn table(model: &Model, width: u16, now: Timestamp) -> Table<'static> {
    let rows: Vec<_> = model.circuits.iter().map(|circuit| cells(model, circuit, now)).collect();
    let widths = fitting(longest(&rows), width);
    let shown = |cells: [String; 8]| {
        let columns = TITLES.into_iter().zip(widths).zip(cells);
        let columns = columns.filter(|((_, width), _)| *width > 0);
        Row::new(columns.map(|((title, width), text)| match title {
            "STATE" => Cell::from(text.clone()).style(coloured(colour(&text))),
            // The newest is on the right.
            "RATE" => Cell::from(end(&text, width).to_owned()),
            _ => Cell::from(text),
        }))
    };
    let titles = TITLES.into_iter().zip(widths).filter(|(_, width)| *width > 0);
    let titles = Row::new(titles.map(|(title, _)| title));
    let constraints = widths.into_iter().filter(|width| *width > 0).map(Constraint::Length);
    Table::new(rows.into_iter().map(shown), constraints.collect::<Vec<_>>())
        .column_spacing(GAP)
        .header(titles.style(Style::new().add_modifier(Modifier::BOLD)))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
}

fn cells(model: &Model, circuit: &Circuit, now: Timestamp) -> [String; 8] {
    let text::Cells { state, since, cause, evidence, next_probe, overridden } =
        text::cells(circuit, now);
    let name = circuit.name.to_string();
    // All its width from the start, or the columns would move.
    let rate = format!("{:>SHARES$}", bars(model.shares(&circuit.name)));
    [name, state.to_owned(), since, cause.to_owned(), evidence, rate, next_probe, overridden]
}

fn colour(state: &str) -> Color {
    match state {
        "closed" => Color::Green,
        "half-open" | "disabled" => Color::Yellow,
        _ => Color::Red,
    }
}

/// The width of the longest text of each column.
fn longest(rows: &[[String; 8]]) -> [u16; 8] {
    let mut widths = TITLES.map(|title| title.chars().count());
    for row in rows {
        for (width, text) in widths.iter_mut().zip(row) {
            *width = text.chars().count().max(*width);
        }
    }
    widths.map(|width| u16::try_from(width).unwrap_or(u16::MAX))
}

/// The widths that fit into `whole`. What nobody misses gives way first: the end of an override, a part of
/// the rate, all of it, and the evidence. A column of width 0 is left out.
fn fitting(
    [circuit, state, since, cause, mut evidence, mut rate, probe, mut set]: [u16; 8],
    whole: u16,
) -> [u16; 8] {
    let all = |evidence, rate, set| [circuit, state, since, cause, evidence, rate, probe, set];
    let excess = |evidence, rate, set| excess(all(evidence, rate, set), whole);
    set = shortened(set, ENOUGH_OF_OVERRIDE, excess(evidence, rate, set));
    rate = shortened(rate, SHORTEST_RATE, excess(evidence, rate, set));
    if excess(evidence, rate, set) > 0 {
        rate = 0;
    }
    if excess(evidence, rate, set) > 0 {
        evidence = 0;
    }
    set = shortened(set, 0, excess(evidence, rate, set));
    all(evidence, rate, set)
}

fn shortened(width: u16, least: u16, by: u16) -> u16 {
    width.saturating_sub(by).max(least.min(width))
}

/// By how much the columns are wider than `whole`.
fn excess(widths: [u16; 8], whole: u16) -> u16 {
    let kept = widths.into_iter().filter(|width| *width > 0);
    let needed = kept.fold(0_u16, |sum, width| sum.saturating_add(width).saturating_add(GAP));
    needed.saturating_sub(GAP).saturating_sub(whole)
}

/// The last `width` characters.
fn end(text: &str, width: u16) -> &str {
    let more = text.chars().count().saturating_sub(width.into());
    text.char_indices().nth(more).map_or("", |(at, _)| text.get(at..).unwrap_or_default())
}

fn question(model: &Model, now: Timestamp) -> Vec<Line<'static>> {
    let keys = "↑↓ choose   o open   d disable   c close   q quit";
    match &model.asked {
        Some(asked) => vec![Line::from(asked.question()), Line::from("y: yes   any other key: no")],
        None if model.message.is_empty() => vec![Line::from(chosen(model, now)), Line::from(keys)],
        None => vec![Line::from(model.message.clone()), Line::from(keys)],
    }
}

/// The override of the chosen circuit in full, which its column may be too narrow for.
fn chosen(model: &Model, now: Timestamp) -> String {
    let chosen = model.circuits.get(model.chosen);
    let set = chosen.map(|circuit| (&circuit.name, text::cells(circuit, now).overridden));
    set.filter(|(_, set)| !set.is_empty())
        .map_or_else(String::new, |(name, set)| format!("{name} is {set}"))
}

fn coloured(colour: Color) -> Style {
    if show::has_colours() { Style::new().fg(colour) } else { Style::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_circuit_its_state_and_its_cause_are_whole_on_a_narrow_terminal() {
        let widths = [17, 11, 7, 12, 10, 30, 10, 52];
        for (whole, expected) in [
            (200, widths),
            (150, [17, 11, 7, 12, 10, 30, 10, 39]),
            (120, [17, 11, 7, 12, 10, 15, 10, 24]),
            (100, [17, 11, 7, 12, 0, 0, 10, 24]),
            (80, [17, 11, 7, 12, 0, 0, 10, 13]),
            (40, [17, 11, 7, 12, 0, 0, 10, 0]),
        ] {
            assert_eq!(fitting(widths, whole), expected, "{whole}");
        }
        assert_eq!(
            (end("▁▂▃", 2), end("▁▂▃", 3), end("▁", 9), end("▁", 0)),
            ("▂▃", "▁▂▃", "▁", "")
        );
    }
}
