//! Tables for people.

use std::io::IsTerminal;

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets::NOTHING};

/// Whether to show colours: on a terminal, unless `NO_COLOR` is set (<https://no-color.org>).
pub(crate) fn has_colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
}

pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    if std::io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    if !has_colours() {
        table.force_no_tty();
    }
    if !header.is_empty() {
        table
            .set_header(header.iter().map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
    }
    table
}

/// Prints a table, without the spaces at the ends of its lines.
pub(crate) fn print(table: &Table) {
    println!("{}", table.trim_fmt());
}

/// A table of names and values, one pair in each line.
pub(crate) fn pairs(pairs: &[(&str, String)]) -> Table {
    let mut table = table(&[]);
    for (name, value) in pairs {
        table.add_row([*name, value.as_str()]);
    }
    table
}

/// A state in its colour.
pub(crate) fn state(text: &str) -> Cell {
    let cell = Cell::new(text);
    match text {
        "closed" => cell.fg(Color::Green),
        "half-open" | "disabled" => cell.fg(Color::Yellow),
        _ => cell.fg(Color::Red),
    }
}
