//! Draws the screen.

use funcify_core::Timestamp;
use ratatui::{
    Frame,
    layout::{Constraint, Layout},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Cell, Paragraph, Row, Table, TableState},
};

use super::{bars::bars, model::Model};
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
        frame.render_stateful_widget(table(model, now), body, &mut state);
    }
    frame.render_widget(Paragraph::new(question(model)), foot);
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
            Line::from(format!("{}: {} circuits", model.backend, model.circuits.len()))
        }
        (None, None) => Line::from(format!("{}: connecting", model.backend)),
    }
}

fn table(model: &Model, now: Timestamp) -> Table<'static> {
    let titles =
        ["CIRCUIT", "STATE", "SINCE", "CAUSE", "EVIDENCE", "RATE", "NEXT PROBE", "OVERRIDE"];
    let rows = model.circuits.iter().map(|circuit| row(model, circuit, now));
    let widths = [
        Constraint::Fill(2),
        Constraint::Length(9),
        Constraint::Length(12),
        Constraint::Length(12),
        Constraint::Length(18),
        Constraint::Length(30),
        Constraint::Length(19),
        Constraint::Fill(3),
    ];
    Table::new(rows, widths)
        .header(Row::new(titles).style(Style::new().add_modifier(Modifier::BOLD)))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
}

fn row(model: &Model, circuit: &Circuit, now: Timestamp) -> Row<'static> {
    let Circuit { name, record, .. } = circuit;
    let state = text::state(record.state);
    let colour = match state {
        "closed" => Color::Green,
        "half-open" => Color::Yellow,
        _ => Color::Red,
    };
    Row::new([
        Cell::from(name.to_string()),
        Cell::from(state).style(coloured(colour)),
        Cell::from(time::relative(record.changed_at, now)),
        Cell::from(text::cause(record.cause)),
        Cell::from(text::evidence(record)),
        Cell::from(bars(model.shares(name))),
        Cell::from(text::next_probe(record, now)),
        Cell::from(text::overridden(record.override_at(now), now)),
    ])
}

fn question(model: &Model) -> Vec<Line<'static>> {
    let keys = "↑↓ choose   o open   d disable   c close   q quit";
    match &model.asked {
        Some(asked) => vec![Line::from(asked.question()), Line::from("y: yes   any other key: no")],
        None => vec![Line::from(model.message.clone()), Line::from(keys)],
    }
}

fn coloured(colour: Color) -> Style {
    if show::has_colours() { Style::new().fg(colour) } else { Style::new() }
}
