//! A timeline as lines of text.

use funcify_core::circuit::CircuitState;

use super::{ROWS, Row};
use crate::{Slot, Timeline};

const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Draws calls, failures, refusals, probes and the circuit's state, each as a line of at most
/// `columns` blocks.
///
/// Each line has its own scale, which is printed at its end. A line with nothing to show is left out.
///
/// # Examples
///
/// ```
/// # use funcify_simulator::{Scenario, Settings, run, sparkline};
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
/// # let settings = Settings::new(1).with_instances(20);
/// let report = runtime.block_on(run(Scenario::Recovery, &settings))?;
/// let drawn = sparkline(&report.timeline, 60);
/// assert!(drawn.lines().any(|line| line.trim_start().starts_with("refused")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn sparkline(timeline: &Timeline, columns: usize) -> String {
    let each = timeline.slots.len().div_ceil(columns.max(1)).max(1);
    let cells: Vec<Slot> = timeline.slots.chunks(each).map(Slot::sum).collect();
    let seconds = timeline.width.as_secs_f64() * each as f64;
    let mut drawn = String::new();
    for Row { name, of, .. } in &ROWS {
        let most = cells.iter().map(of).max().unwrap_or_default();
        if most == 0 {
            continue;
        }
        let bars: String = cells.iter().map(|cell| bar(of(cell), most)).collect();
        drawn.push_str(&format!("  {name:<8}{bars}  up to {most} in {seconds:.1} s\n"));
    }
    if !timeline.states.is_empty() {
        let end = |cell: usize| ((cell + 1) * each).min(timeline.slots.len()).saturating_sub(1);
        let states: String =
            (0..cells.len()).map(|cell| letter(timeline.state(end(cell)))).collect();
        drawn.push_str(&format!("  {:<8}{states}  · closed, O open, h half-open\n", "state"));
    }
    drawn
}

/// The block for a value. Any value above zero has a block, because a single failure must be visible.
fn bar(value: u32, most: u32) -> char {
    let height = (u64::from(value) * 8).div_ceil(u64::from(most.max(1)));
    let height = usize::try_from(height).unwrap_or(8);
    BLOCKS.get(height.min(8)).copied().unwrap_or(' ')
}

fn letter(state: CircuitState) -> char {
    match state {
        CircuitState::Closed => '·',
        CircuitState::Open => 'O',
        CircuitState::HalfOpen => 'h',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_of_a_thousand_is_visible_and_none_is_blank() {
        assert_eq!((bar(0, 1_000), bar(1, 1_000), bar(1_000, 1_000)), (' ', '▁', '█'));
    }
}
