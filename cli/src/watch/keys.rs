//! The meaning of each key. A change needs a second key that confirms it.

use funcify_core::circuit::OverrideMode;
use ratatui::crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};

use super::model::Model;
use crate::circuit::steer::Steered;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Quit,
    Steer(Steered),
}

pub(super) fn wish(event: &Event, model: &mut Model) -> Option<Wish> {
    let Event::Key(key) = event else { return None };
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
        return Some(Wish::Quit);
    }
    if let Some(asked) = model.asked.take() {
        let is_confirmed = matches!(key.code, KeyCode::Char('y' | 'Y'));
        model.message = if is_confirmed { asked.doing() } else { "nothing was changed".to_owned() };
        return is_confirmed.then_some(Wish::Steer(asked));
    }
    model.message.clear();
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return Some(Wish::Quit),
        KeyCode::Up | KeyCode::Char('k') => model.moves(-1),
        KeyCode::Down | KeyCode::Char('j') => model.moves(1),
        KeyCode::Char('o') => ask(model, |name| Steered::Override(name, OverrideMode::ForceOpen)),
        KeyCode::Char('d') => ask(model, |name| Steered::Override(name, OverrideMode::Disabled)),
        KeyCode::Char('c') => ask(model, Steered::Close),
        _ => {}
    }
    None
}

fn ask(model: &mut Model, steered: impl FnOnce(funcify_core::register::RecordName) -> Steered) {
    model.asked = model.chosen_name().cloned().map(steered);
}

#[cfg(test)]
mod tests {
    use funcify_core::circuit::CircuitRecord;
    use ratatui::crossterm::event::KeyEvent;

    use super::*;
    use crate::circuit::read::Circuit;

    #[test]
    fn a_change_needs_a_second_key_and_any_other_key_takes_it_back() {
        let mut model = Model::new("redis");
        let press = |model: &mut Model, key: char| {
            wish(&Event::Key(KeyEvent::from(KeyCode::Char(key))), model)
        };
        assert_eq!(press(&mut model, 'o'), None);
        assert_eq!(press(&mut model, 'y'), None, "no circuit is chosen");
        let name: funcify_core::register::RecordName = "a".parse().unwrap();
        let record = CircuitRecord::default();
        let circuit = Circuit { name: name.clone(), record, is_stored: true, corruption: None };
        model.circuits.push(circuit);
        assert_eq!(press(&mut model, 'o'), None);
        assert_eq!(press(&mut model, 'q'), None, "taken back, not quit");
        assert_eq!(press(&mut model, 'y'), None);
        assert_eq!(press(&mut model, 'c'), None);
        assert_eq!(press(&mut model, 'y'), Some(Wish::Steer(Steered::Close(name))));
        assert_eq!(press(&mut model, 'q'), Some(Wish::Quit));
    }
}
